"""How good is it? Scores against references, grades by people, verdicts of a judge, and how sure one may be of them."""

from ift_lib.evaluation.agreement import cohen_kappa, kendall, krippendorff_alpha, paired_interval, pearson, spearman
from ift_lib.evaluation.alpaca_eval import WinRate, alpaca_win_rate, average_length, compare_outputs
from ift_lib.evaluation.alpaca_eval_files import Annotation, Output, load_annotations, load_outputs
from ift_lib.evaluation.alpaca_eval_lc import length_controlled
from ift_lib.evaluation.arena import Battle, clean_battles, load_battles, online_elo, win_rates
from ift_lib.evaluation.benchmark_run import ask, run_benchmark
from ift_lib.evaluation.bradley_terry import bootstrap_ratings, bradley_terry, leaderboard, sandwich_intervals
from ift_lib.evaluation.heldout import Comparison, Task, compare_with_baseline, find_leaks, load_task
from ift_lib.evaluation.items import Item, load_items
from ift_lib.evaluation.judge import (
    PAIR_FIRST,
    PAIR_SECOND,
    REASON,
    RUBRIC,
    SCORE,
    YES_NO,
    Ask,
    JudgeError,
    Summary,
    Verdict,
    settle,
    summarize,
    win_rate,
)
from ift_lib.evaluation.judge_backends import OllamaJudge, OpenAIJudge, OpenAITokenJudge, RecordedJudge
from ift_lib.evaluation.judge_local import LetterJudge, LocalJudge, YesNoJudge
from ift_lib.evaluation.judge_run import judge_items
from ift_lib.evaluation.judge_stub import StubJudge
from ift_lib.evaluation.language_model_transformers import TransformersLanguageModel
from ift_lib.evaluation.language_models import GPTLanguageModel, WithTemplate
from ift_lib.evaluation.metrics import (
    Interval,
    accuracy,
    bootstrap_interval,
    calibration_error,
    clopper_pearson_interval,
    exact_match,
    normalize_squad,
    normalize_triviaqa,
    paired_difference_interval,
    rouge_l,
    token_f1,
    wilson_interval,
)
from ift_lib.evaluation.review import SCALE, Grade, ReviewStore, blind_order
from ift_lib.evaluation.style_control import style_control
from ift_lib.evaluation.tasks import (
    Answer,
    Benchmark,
    Choose,
    Complete,
    LanguageModel,
    LogLikelihood,
    Question,
    Result,
    Score,
)
from ift_lib.evaluation.verify import VERIFIABLE, verify
from ift_lib.evaluation.votes import VoteStore

__all__ = [
    "PAIR_FIRST",
    "PAIR_SECOND",
    "REASON",
    "RUBRIC",
    "SCALE",
    "SCORE",
    "VERIFIABLE",
    "YES_NO",
    "Annotation",
    "Answer",
    "Ask",
    "Battle",
    "Benchmark",
    "Choose",
    "Comparison",
    "Complete",
    "GPTLanguageModel",
    "Grade",
    "Interval",
    "Item",
    "JudgeError",
    "LanguageModel",
    "LetterJudge",
    "LocalJudge",
    "LogLikelihood",
    "OllamaJudge",
    "OpenAIJudge",
    "OpenAITokenJudge",
    "Output",
    "Question",
    "RecordedJudge",
    "Result",
    "ReviewStore",
    "Score",
    "StubJudge",
    "Summary",
    "Task",
    "TransformersLanguageModel",
    "Verdict",
    "VoteStore",
    "WinRate",
    "WithTemplate",
    "YesNoJudge",
    "accuracy",
    "alpaca_win_rate",
    "ask",
    "average_length",
    "blind_order",
    "bootstrap_interval",
    "bootstrap_ratings",
    "bradley_terry",
    "calibration_error",
    "clean_battles",
    "clopper_pearson_interval",
    "cohen_kappa",
    "compare_outputs",
    "compare_with_baseline",
    "exact_match",
    "find_leaks",
    "judge_items",
    "kendall",
    "krippendorff_alpha",
    "leaderboard",
    "length_controlled",
    "load_annotations",
    "load_battles",
    "load_items",
    "load_outputs",
    "load_task",
    "normalize_squad",
    "normalize_triviaqa",
    "online_elo",
    "paired_difference_interval",
    "paired_interval",
    "pearson",
    "rouge_l",
    "run_benchmark",
    "sandwich_intervals",
    "settle",
    "spearman",
    "style_control",
    "summarize",
    "token_f1",
    "verify",
    "wilson_interval",
    "win_rate",
    "win_rates",
]
