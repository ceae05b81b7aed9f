# %% [markdown]
# # 10 Comparing models
#
# **You will learn** to say which of two models is better without giving marks: [AlpacaEval](../book/glossary.md#alpacaeval)'s [win rate](../book/glossary.md#win-rate), with and without the length of the
# answers; an arena of your own with [blind](../book/glossary.md#blind) votes, [Elo](../book/glossary.md#elo) and [Bradley–Terry](../book/glossary.md#bradleyterry) [ratings](../book/glossary.md#rating); and how far such numbers can be believed.
#
# **You need** chapter 7 ([judges](../book/glossary.md#judge) and their faults), Python and a little numpy. Nothing here has to be trained.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 110 min | 1 min | 0.7 GB | none |

# %% [markdown]
# ## 1 Why compare?
#
# "How good is this answer, from 0 to 100?" Chapter 7 asked that, and the reply said more about the judge's favourite numbers than about the answer. People are not that odd, but is your 70 my 70, and
# yours of next week? "Which of these two is better?" needs no scale. Put two answers side by side, take down who wins, and count.
#
# It has its price. A win is a win *over somebody*, *on some question*, *in the eyes of some judge*; change one of them and the number changes. This
# chapter keeps an eye on all three. Two ways to do it are in wide use:
#
# | | [AlpacaEval](https://github.com/tatsu-lab/alpaca_eval) | [Chatbot Arena](https://arxiv.org/abs/2403.04132) |
# |---|---|---|
# | who is compared | each model with one *[baseline](../book/glossary.md#baseline)* | any two models, drawn by chance |
# | on what | a fixed list of 805 [instructions](../book/glossary.md#instruction) | whatever visitors ask |
# | who decides | a [language model](../book/glossary.md#language-model) | the visitors |
# | the number | win rate, in percent | rating, in points |
#
# Here the questions are forty tasks of our [test set](../book/glossary.md#test-set), and there are five contenders. Two are the [pocket model](../book/glossary.md#pocket-model), before and after [fine-tuning](../book/glossary.md#fine-tuning). One is the fine-tuned model in fancy
# dress: the same words, in two tasks of three with a header, a list mark and bold around them. One copies the answer to the most similar task in the data set, and one is no model at all, but the reference.

# %% tags=["slide-output"]
from ift_lib.course.arena import arena_answers, arena_items

items, answers = arena_items(), arena_answers()
item = items[1]
print("task:", item.instruction, item.input, "\n")
for model, own in answers.items():
    mean_length = sum(len(text) for text in own.values()) / len(own)
    print(f"{model:18} mean length {mean_length:4.0f} characters   {own[item.id][:52]!r}")

# %% [markdown]
# ## 2 AlpacaEval: how often does it beat the baseline?
#
# ### The win rate, by hand
#
# For each instruction the judge sees the task and two answers, and says which is better. This is the question, and the reply of a judge that is no model: it
# knows the references and counts shared words (chapter 7). We know what it looks at, and that makes it a good instrument to try the method with. The wording of the question is ours.

# %%
from ift_lib.evaluation import StubJudge
from ift_lib.evaluation.alpaca_eval import RANKING

tasks = {item.id: f"{item.instruction}\n{item.input}".strip() for item in items}
references = {tasks[item.id]: item.output for item in items}
fair = StubJudge(references=references)

prompt = RANKING.prompt(tasks[item.id], answers["base"][item.id], answers["finetuned"][item.id])
print(prompt, "\n\nreply:", fair(prompt))

# %% [markdown]
# Out of the reply comes a *[preference](../book/glossary.md#preference)*: 1 if the first answer is better, 2 if the second is. One more thing has to be settled: who is shown first? AlpacaEval tosses a coin for each
# instruction. The coin is seeded with the text of the instruction, so it falls the same way whenever you ask. When it has put the model first,
# the preference is turned back, to 3 − preference, so that in the end 2 always means "the model wins".

# %%
from ift_lib.evaluation.alpaca_eval import is_switched


def compare_by_hand(judge, baseline, model, switched=is_switched):
    preferences = []
    for key, task in tasks.items():
        first, second = answers[baseline][key], answers[model][key]
        if switched(task):
            first, second = second, first
        preference = RANKING.parse(judge(RANKING.prompt(task, first, second)))
        preferences.append(3 - preference if switched(task) else preference)
    return preferences


preferences = compare_by_hand(fair, "base", "finetuned")
wins = [preference - 1 for preference in preferences]  # 1 for a win of the model, 0 for one of the baseline
share = sum(wins) / len(wins)
error = (sum((win - share) ** 2 for win in wins) / (len(wins) - 1) / len(wins)) ** 0.5
print(f"fine-tuned against base: {sum(wins):.0f} of {len(wins)}, win rate {100 * share:.1f} ± {100 * error:.1f}")

# %% [markdown]
# The number after ± is the [standard error](../book/glossary.md#standard-error); a 95% [interval](../book/glossary.md#interval) reaches about twice as far to both sides. The library does the same, and writes the files that AlpacaEval reads
# (`alpaca_eval_files`):

# %% tags=["slide"]
from ift_lib.evaluation.alpaca_eval import alpaca_win_rate, compare_outputs
from ift_lib.evaluation.alpaca_eval_files import Output


def outputs_of(model):
    return [Output(tasks[key], text, model) for key, text in answers[model].items()]


annotations = compare_outputs(outputs_of("base"), outputs_of("finetuned"), fair)
assert [annotation.preference for annotation in annotations] == preferences
told = alpaca_win_rate(preferences)
assert abs(told.win_rate - 100 * share) < 1e-9 and abs(told.standard_error - 100 * error) < 1e-9
print(told)

# %% [markdown]
# ### The seats
#
# Why the coin? Here are three judges: the fair one, one that gives 60 points to whatever is shown first, and one that sees nothing but the seat. Each is asked with the model
# always second, always first, and by the coin.

# %% tags=["slide"]
judges = {
    "fair": fair,
    "likes the first": StubJudge(references=references, likes_first=60),
    "sees the seat only": StubJudge(references=references, likes_first=1000),
}
seatings = {"second": lambda task: False, "first": lambda task: True, "by coin": is_switched}

print(f"{'the model is shown:':20}" + "".join(f"{name:>9}" for name in seatings))
for name, judge in judges.items():
    rates = [
        alpaca_win_rate(compare_by_hand(judge, "base", "finetuned", seating)).win_rate for seating in seatings.values()
    ]
    print(f"{name:20}" + "".join(f"{rate:9.1f}" for rate in rates))

# %% [markdown]
# With fixed seats, a judge that reads nothing makes either model the champion. Even the fair one is not quite fair: where it finds both answers equally good it must still name one, and names the
# first. The coin does not make a judge any wiser: it turns the fault from a lie into noise. So a win rate near 50 has two meanings: two models that are equally good, or a judge that cannot tell. To know which, ask in *both* orders, as chapter 7 did, and count how often the verdict stays.
#
# That was a stub. Now the real, very small judge whose replies chapter 7 recorded (SmolLM2-135M-Instruct), on the same forty pairs, in both orders:

# %% tags=["slide-output"]
from ift_lib.course.judging import chapter_items, recorded
from ift_lib.evaluation import PAIR_FIRST, PAIR_SECOND, judge_items

judged = chapter_items()
assert [item.id for item in judged] == [item.id for item in items]
model_first = judge_items(judged, recorded("pair-first-choice"), PAIR_FIRST)
model_second = judge_items(judged, recorded("pair-second-choice"), PAIR_SECOND)

won_first = [verdict.score == 1 for verdict in model_first]  # it chose answer A, which was the model's
won_second = [verdict.score == -1 for verdict in model_second]  # it chose answer B
by_coin = [a if is_switched(tasks[v.id]) else b for a, b, v in zip(won_first, won_second, model_first, strict=True)]
for name, won in (("first", won_first), ("second", won_second), ("by coin", by_coin)):
    print(f"model {name:8} {alpaca_win_rate([1 + w for w in won]).win_rate:5.1f}")

# %% [markdown]
# It sees the seat only. Version 2 of AlpacaEval asks more gently: the judge writes one letter, and the preference is a number *between* 1 and 2, from the probabilities of the two letters. We
# have something alike from this judge: for every answer the probability of "Yes, it is right", each asked by itself, without any seat.

# %%
from dataclasses import replace

from ift_lib.evaluation import YES_NO

yes_after = judge_items(judged, recorded("yes-no"), YES_NO)
yes_before = judge_items([replace(item, response=item.before) for item in judged], recorded("yes-no-before"), YES_NO)
soft = [1 + a.score / (a.score + b.score) for a, b in zip(yes_after, yes_before, strict=True)]
told = alpaca_win_rate(soft)
print(f"win rate {told.win_rate:.1f} ± {told.standard_error:.1f}; wins {told.n_wins}, losses {told.n_wins_base}")
print(f"every preference rounded to a whole win: {told.discrete_win_rate:.0f}")

# %% [markdown]
# The fair stub counts 35 wins of 40, this judge 8. Same answers, same questions: another judge, another winner. Chapter 7 tested this one: its scores do not visibly follow the grades, and idle words win
# points. Which of the two numbers would you have printed, had you only one?
#
# ### Length
#
# Loving length is the best known fault of judges, large ones too. See it at work on a case where we know the truth. The baseline is `nearest-copy`. `finetuned` runs twice: as it is, and with up to
# three idle sentences behind each answer. And the judge is one that gives 4 points for every word. The preferences are soft this time (`LETTERS`, version 2).

# %% tags=["slide-output"]
from ift_lib.evaluation.alpaca_eval import LETTERS, average_length

IDLE = [
    " I hope that this answer helps you.",
    " Please let me know if you have any more questions.",
    " Have a nice day.",
]
plain = outputs_of("finetuned")
wordy = [replace(o, output=o.output + "".join(IDLE[: n % 4]), generator="wordy") for n, o in enumerate(plain)]

talker = StubJudge(references=references, likes_length=4)
compared = {}
for name, outputs in (("finetuned", plain), ("wordy", wordy)):
    compared[name] = compare_outputs(outputs_of("nearest-copy"), outputs, talker, LETTERS)
    rate = alpaca_win_rate(annotation.preference for annotation in compared[name]).win_rate
    length = average_length(outputs)  # cut to whole characters, as on the leaderboard
    print(f"{name:10} {length:3} characters on average, win rate {rate:.1f}")

# %% [markdown]
# Thirteen points for sentences that say nothing. The *[length-controlled](../book/glossary.md#length-control)* win rate asks what would be left if both answers were of one length. It needs no other judge, only arithmetic: fit a
# curve of the preference over the difference in length, and read it off where the difference is 0.
#
# $$P(\text{model wins}) = \sigma(a \cdot \tanh z + c)$$
#
# *z* is the length difference, baseline minus model, in standard deviations; σ is the logistic curve. *a* takes up what length explains, *c* is what remains. Two coefficients, and a few
# lines of [gradient](../book/glossary.md#gradient) ascent on the likelihood:

# %%
import numpy as np


def logistic(x):
    return 1 / (1 + np.exp(-x))


def fit_by_hand(annotations):
    y = np.array([a.preference for a in annotations]) - 1
    difference = np.array([len(a.output_1) - len(a.output_2) for a in annotations])
    x = np.column_stack([np.tanh(difference / difference.std(ddof=1)), np.ones(len(y))])  # (40, 2)
    coefficients = np.zeros(2)
    for _ in range(2000):
        coefficients += x.T @ (y - logistic(x @ coefficients)) / len(y)
    return coefficients


for name, annotations in compared.items():
    a, c = fit_by_hand(annotations)
    rate = alpaca_win_rate(annotation.preference for annotation in annotations).win_rate
    print(f"{name:10} win rate {rate:.1f}, a = {a:.2f}, at equal length {100 * logistic(c):.1f}")

# %% [markdown]
# *a* is negative: the shorter the baseline's answer is beside it, the oftener the model wins. What the idle sentences had won is gone again, and a little more; with forty items the curve is not sharp. As a picture:

# %% tags=["slide-output"] mystnb={"image": {"alt": "Forty points: by how much the wordy answer is longer, and how often it wins. A rising curve is fitted through them; at equal length it stands near 0.6, while the plain mean lies at 0.76."}}
from ift_lib.picture import BLUE, INK, QUIET, VERMILLION, Picture, drawing, finish, new_figure

annotations = compared["wordy"]
a, c = fit_by_hand(annotations)
longer = np.array([len(x.output_2) - len(x.output_1) for x in annotations])
preferred = np.array([x.preference for x in annotations]) - 1
grid = np.linspace(longer.min(), longer.max(), 200)
curve = logistic(a * np.tanh(-grid / longer.std(ddof=1)) + c)

figure, axes = new_figure((6.6, 3.4))
with drawing():
    axes.plot(longer, preferred, "o", color=BLUE, markersize=5, alpha=0.7, label="one instruction")
    axes.plot(grid, curve, color=INK, label="fitted")
    axes.axhline(preferred.mean(), color=QUIET, linestyle="--", label="win rate")
    axes.plot([0], [logistic(c)], "D", color=VERMILLION, markersize=9, label="at equal length")
    axes.set_xlabel("by how many characters the model's answer is longer")
    axes.set_ylabel("preference for the model")
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
points = list(zip(longer.tolist(), preferred.tolist(), strict=True))
finish(Picture(figure, {"preference": points}, "Preference over length, with the fitted curve."), None)

# %% [markdown]
# The library fits as AlpacaEval does: with scikit-learn, and with a penalty on the coefficients that cross-validation chooses. Here it hardly matters:

# %%
from ift_lib.evaluation.alpaca_eval_lc import length_controlled

for name, annotations in compared.items():
    told = length_controlled(annotations)
    by_hand = 100 * logistic(fit_by_hand(annotations)[1])
    assert abs(told.win_rate - by_hand) < 0.5
    print(f"{name:10} length-controlled {told.win_rate:.1f}, by hand {by_hand:.1f}")

# %% [markdown]
# This is the reference's smallest variant, without the rest of the formula. The number on the leaderboard has a third coefficient, for how difficult each instruction is (a table shared by all models), and learns *a* also from the baseline that was told to be
# long, or short: `length_controlled(annotations, difficulty, gamed)`. The idea is [Dubois et al. 2024](https://arxiv.org/abs/2404.04475).
#
# What length control cannot do: it reads the curve off where nothing was measured, if no two answers are of like length. Take our first pair, `base` and `finetuned`:

# %%
gaps = [len(answers["base"][key]) - len(answers["finetuned"][key]) for key in tasks]
talkative = alpaca_win_rate(compare_by_hand(StubJudge(references=references, likes_length=2), "base", "finetuned"))
print(f"base is longer in {sum(gap > 0 for gap in gaps)} of {len(gaps)} pairs, by {min(gaps)} characters or more")
print(f"win rate of finetuned, 2 points for every word: {talkative.win_rate:.1f}; without: {100 * share:.1f}")

# %% [markdown]
# Not one pair of equal length: whether the judge dislikes `finetuned` for its answers or for its brevity, these votes cannot say, and no curve can say it for them.
#
# ## 3 Chatbot Arena: ratings from votes
#
# With many models, nobody wants one baseline for all. In an arena two of them, drawn by chance, answer the same question side by side, names hidden. Somebody votes: left, right, tie,
# or both bad. Then the names are shown. What remains is a long table, *battles*:

# %% tags=["slide"]
from ift_lib.course.arena import simulated_votes

raw = simulated_votes()
print(len(raw), "votes, the first of them:")
for battle in raw[:4]:
    print(f"  task {battle.question_id:>4}  {battle.model_a:17} {battle.model_b:17} {battle.winner:8} {battle.judge}")

# %% [markdown]
# **Nobody gave these votes.** They were made by rule (`tools/make_votes.py`), and they say nothing about what people like. We use them because the truth behind them is known, and a method can be held against it:
#
# * six *readers* look at the words alone: how many the answer shares with the reference, with some noise;
# * six *decorators* do too, and add 0.3 points for each header, list item or bold word (a right answer is worth 1);
# * one is *hurried*, and votes left 150 times on a single day.
#
# So in truth the dress of `finetuned-dressed` is worth much to half of the voters, and its words are worth exactly as much as those of `finetuned`.
#
# ### Clean first
#
# An arena counts a vote only if the names were hidden, and, if it likes, only so many of one voter on one day: here 30. (The public one also drops conversations in which a model
# says its name; our contenders have none to say, hence the empty list.)

# %% tags=["slide"]
from ift_lib.evaluation.arena import clean_battles

cleaned = clean_battles(raw, identity_words=(), per_day=30)
votes = cleaned.battles
hurried = [battle for battle in raw if battle.judge == "hurried"]
print(len(votes), "votes count;", cleaned.dropped)
print(f"hurried: left in {sum(b.winner == 'model_a' for b in hurried)} of {len(hurried)} votes")
print(f"votes of hurried that still count: {sum(b.judge == 'hurried' for b in votes)}")

# %% [markdown]
# ### Online Elo
#
# Chess has had the answer for long. Everybody starts with 1000 points. Two ratings predict a result: 400 points more means ten wins for each defeat. After the vote both move by
# how surprising it was: *k* times the result minus what was expected. A tie is half a win. Six lines:

# %% tags=["slide"]
from collections import defaultdict


def elo_by_hand(battles, k=4):
    ratings = defaultdict(lambda: 1000.0)
    for battle in battles:
        a, b = battle.model_a, battle.model_b
        expected = 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400))
        step = k * (battle.outcome - expected)  # outcome: 1 the left one won, 0 the right one, 0.5 a tie
        ratings[a], ratings[b] = ratings[a] + step, ratings[b] - step
    return ratings


from ift_lib.evaluation.arena import online_elo

elo, by_hand = online_elo(votes), elo_by_hand(votes)
for model, rating in elo.items():
    assert abs(rating - by_hand[model]) < 1e-9
    print(f"{model:18} {rating:6.0f}")

# %% [markdown]
# Right order, quick, and it can be kept up while the votes come in. Now the same votes once more, in another order. Nothing about the models changes.

# %% tags=["slide-output"]
import random

shuffled = [online_elo(random.Random(seed).sample(votes, len(votes))) for seed in range(200)]
for model in elo:
    ratings = [table[model] for table in shuffled]
    print(f"{model:18} from {min(ratings):6.0f} to {max(ratings):6.0f}")


def winner_of(battle):
    return {"model_a": battle.model_a, "model_b": battle.model_b}.get(battle.winner)  # None for a tie


def dressed_lost(battle):
    models = (battle.model_a, battle.model_b)
    return "finetuned-dressed" in models and winner_of(battle) not in (None, "finetuned-dressed")


unkind = online_elo(sorted(votes, key=dressed_lost))  # the same votes, its defeats at the end
print("\nits defeats last:", list(unkind).index("finetuned-dressed") + 1, "of", len(unkind), "is finetuned-dressed")

# %% [markdown]
# A chess player changes, so the newest games should count most. A model whose [weights](../book/glossary.md#weights) are fixed does not change; that its last votes weigh most is an accident. By chance that
# moves ratings by some thirty points here; in an unkind order it costs the second place.
#
# ### Bradley–Terry
#
# Keep Elo's prediction, and drop its history: look for the ratings that fit *all* votes at once. That is easily had from what we have. Do Elo's step with all votes together, in proportion, and repeat it
# until nobody moves. It is gradient ascent on the likelihood of the votes, in the model of [Bradley and Terry (1952)](https://doi.org/10.2307/2334029):


# %%
def arrays_of(battles):
    models = sorted({name for b in battles for name in (b.model_a, b.model_b)})
    left = np.array([models.index(b.model_a) for b in battles])
    right = np.array([models.index(b.model_b) for b in battles])
    return models, left, right, np.array([b.outcome for b in battles])


def ratings_by_hand(battles, rounds=2000):
    models, left, right, outcome = arrays_of(battles)
    theta = np.zeros(len(models))  # rating = 1000 + 400 theta
    for _ in range(rounds):
        expected = 1 / (1 + 10 ** (theta[right] - theta[left]))
        surprise = (outcome - expected) / len(battles)
        theta += np.bincount(left, surprise, len(models)) - np.bincount(right, surprise, len(models))
    return dict(zip(models, 1000 + 400 * theta, strict=True))


from ift_lib.evaluation.bradley_terry import bradley_terry

ratings, by_hand = bradley_terry(votes), ratings_by_hand(votes)
for model, rating in ratings.items():
    assert abs(rating - by_hand[model]) < 1e-3
    print(f"{model:18} {rating:6.0f}    online Elo: {elo[model]:6.0f}")

again = bradley_terry(random.Random(1).sample(votes, len(votes)))
assert all(abs(again[model] - rating) < 1e-6 for model, rating in ratings.items())
print("\nin another order: the same ratings")

# %% [markdown]
# They lie further apart than Elo's: with small steps, Elo was still on its way. Only differences mean anything. The mean is 1000 because we began there; anyone may shift them all.
#
# A rating is a summary, so check that it summarises. Predicted and counted shares of wins, a tie as half of one:

# %% tags=["slide"]
from ift_lib.evaluation.arena import predicted_win_rates

predicted = predicted_win_rates(ratings)
counted = defaultdict(list)
for battle in votes:
    counted[battle.model_a, battle.model_b].append(battle.outcome)
    counted[battle.model_b, battle.model_a].append(1 - battle.outcome)
for a, b in (("reference", "finetuned-dressed"), ("finetuned-dressed", "finetuned"), ("finetuned", "base")):
    outcomes = counted[a, b]
    observed = sum(outcomes) / len(outcomes)
    print(f"{a} beats {b}: predicted {predicted[a][b]:.2f}, counted {observed:.2f} in {len(outcomes)} votes")

# %% [markdown]
# ### How sure?
#
# Other voters would have come, on another day. The *[bootstrap](../book/glossary.md#bootstrap)* plays that: draw as many votes again from those we have, some twice and some not at all, rate them,
# and do it often. The middle 95 of 100 ratings are the interval. By hand, and in the library, which draws oftener and with other random numbers, so that the ends differ a little; and by a formula that needs no drawing (the *sandwich*).

# %% tags=["slide-output"]
from ift_lib.evaluation.bradley_terry import bootstrap_ratings, ranks, sandwich_intervals

rng = np.random.default_rng(0)
drawn = [ratings_by_hand([votes[i] for i in rng.integers(0, len(votes), len(votes))], rounds=500) for _ in range(100)]
by_hand = {model: np.percentile([table[model] for table in drawn], [2.5, 97.5]) for model in ratings}
library, formula = bootstrap_ratings(votes, rounds=400).intervals(), sandwich_intervals(votes)

print(f"{'':18} rating     by hand      library      formula")
for model, rating in ratings.items():
    rows = [f"{low:5.0f} – {high:4.0f}" for low, high in (by_hand[model], library[model], formula[model])]
    assert all(abs(np.array(drawn_ends) - formula[model]).max() < 20 for drawn_ends in (by_hand[model], library[model]))
    print(f"{model:18} {rating:6.0f}  " + "  ".join(rows))

# %% [markdown]
# A *rank* should respect that. The arena's is 1 + the number of models that are surely better: whose lower end lies above my upper end. Several may share one. With all votes the five stand apart; with the first hundred?

# %%
few = votes[:100]
intervals = bootstrap_ratings(few).intervals()
rank = ranks(intervals)
for model, rating in bradley_terry(few).items():
    print(f"{rank[model]}  {model:18} {rating:6.0f}   {intervals[model].low:5.0f} – {intervals[model].high:4.0f}")
print("\nall votes:", *(f"{ranks(library)[model]} {model}" for model in ratings), sep="  ")

# %% [markdown]
# ### Unbeaten
#
# After a few votes there is often a model that has never lost. What is its rating? Leave out every vote in which `reference` did not win:

# %%
from ift_lib.errors import InputError

unbeaten = [b for b in votes if "reference" not in (b.model_a, b.model_b) or winner_of(b) == "reference"]
for rounds in (1000, 5000, 25000):
    print(f"after {rounds:6} rounds: {ratings_by_hand(unbeaten, rounds)['reference']:6.0f}")
try:
    bradley_terry(unbeaten)
except InputError as problem:
    print("\n", problem, sep="")

# %% [markdown]
# It climbs for ever: whatever rating it has, a higher one makes a spotless record likelier still. There is no best one. A solver that simply stops somewhere prints a number, and that number
# only says where it stopped. Ours refuses, and says who and why; `prior=0.5` buys finite ratings with an assumption.
#
# ### Style
#
# `finetuned-dressed` stands clearly above `finetuned`. We know that its words are the same. What an arena sees of an answer's style can be counted: its length in [tokens](../book/glossary.md#token), headers, list items, bold words.

# %%
from ift_lib.course.arena import with_style
from ift_lib.evaluation.style_control import STYLE, style_control, style_features

styled = with_style(votes, answers)
battle = next(b for b in styled if b.model_a == "finetuned-dressed" and answers[b.model_a][b.question_id][0] == "#")
print(
    repr(answers[battle.model_a][battle.question_id]), "against", repr(answers[battle.model_b][battle.question_id][:30])
)
for name, count in battle.conv_metadata.items():
    print(f"  {name:22}", count if isinstance(count, int) else sum(count.values()))

# %% [markdown]
# For each kind of style, what enters is how much more of it the left answer has, (left − right) / (left + right + 1), standardised over all votes. For the tokens:

# %%
left_has, right_has = (np.array([b.conv_metadata[f"sum_assistant_{seat}_tokens"] for b in styled]) for seat in "ab")
more = (left_has - right_has) / (left_has + right_has + 1)
assert np.allclose((more - more.mean()) / more.std(), style_features(styled)[:, 0])
print(f"{style_features(styled).shape}: a row for each vote, a column for each of {STYLE}")

# %% [markdown]
# [Style control](../book/glossary.md#style-control) is one more term in the prediction. What style explains goes into its own coefficients, and no longer into the ratings: the same trick as with length above. A small *[ridge](../book/glossary.md#ridge)* pulls all
# of them a little towards 0, so that there always is an answer. By hand, with one matrix for names and style:


# %%
def at_equal_style(battles, rounds=3000, ridge=0.5):
    models, left, right, outcome = arrays_of(battles)
    n, places = len(battles), np.arange(len(battles))
    names = np.zeros((n, len(models)))
    names[places, left], names[places, right] = np.log(10), -np.log(10)
    x = np.hstack([names, style_features(battles)])  # (votes, models + 4)
    coefficients = np.zeros(x.shape[1])
    for _ in range(rounds):
        coefficients += (x.T @ (outcome - logistic(x @ coefficients)) - ridge * coefficients) / n
    return dict(zip(models, 1000 + 400 * coefficients, strict=False)), coefficients[-4:]


by_hand, worth = at_equal_style(styled)
controlled = style_control(styled)
for model, rating in controlled.ratings.items():
    assert abs(rating - by_hand[model]) < 0.01
    print(f"{model:18} plain {ratings[model]:6.0f}   at equal style {rating:6.0f}")
print("\nworth of one standard deviation:", {kind: round(controlled.coefficients[kind], 2) for kind in STYLE})
for name, table in (("plain", ratings), ("at equal style", controlled.ratings)):
    print(f"{name:14} dressed leads by {table['finetuned-dressed'] - table['finetuned']:.1f}")

# %% [markdown]
# The dress is off, and the two are one model again, as they are in truth. (Headers and bold words always come together here, so they share what they are worth. And that less than a point is left is luck,
# for each interval reaches forty points and more to both sides.)

# %% tags=["slide-output"] mystnb={"image": {"alt": "Five contenders with their ratings and 95% intervals, plain and at equal style. finetuned-dressed stands about 100 points above finetuned in the plain ratings, and level with it at equal style."}}
from ift_lib.evaluation.style_control import bootstrap_style_control

equal_style = bootstrap_style_control(styled).intervals()
kinds = {
    "plain": (ratings, library, "o", BLUE, 0.12),
    "at equal style": (controlled.ratings, equal_style, "s", VERMILLION, -0.12),
}
figure, axes = new_figure((6.6, 3.2))
places = {model: place for place, model in enumerate(reversed(ratings))}
with drawing():
    for name, (table, intervals, marker, colour, shift) in kinds.items():
        for model, place in places.items():
            axes.plot(intervals[model], [place + shift] * 2, color=colour, linewidth=2)
        axes.plot([table[m] for m in places], [p + shift for p in places.values()], marker, color=colour, label=name)
    axes.set_yticks(list(places.values()), list(places))
    axes.set_xlabel("rating")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
series = {name: [(model, *intervals[model]) for model in places] for name, (_, intervals, *_) in kinds.items()}
finish(Picture(figure, series, "Ratings with intervals, plain and at equal style."), None)

# %% [markdown]
# Control works on what was counted, and as far as it can be told apart from the names. A model that is *always* dressed cannot be told from its dress; one that flatters wins by something that nobody
# has counted yet.
#
# ## 4 An arena of your own
#
# Your turn. Click into the box `keys` and vote: `l` and `r` for the better answer, `t` for a tie, `x` for both bad; `n` and `b` leaf through (buttons do the same). Names appear after the vote, and your first vote counts, for by then you
# have seen them. Who sits left is drawn by a [seed](../book/glossary.md#random-seed) that is kept with the votes; every voter has an order of their own; each vote is on the disk, in `runs/votes.sqlite` beside the notebook, before the next battle is
# shown. The ratings below follow you; with the first few votes there are none, and you know why.

# %% tags=["widget"]
from ift_lib.course.widgets.arena import arena

booth = arena(items, answers, voter="me")
booth

# %% [markdown]
# Where no kernel runs, a battle looks like this, before the vote and after it, and the ratings (here those of the simulated crowd) like this:

# %%
from ift_lib.course.widgets.arena import battle_card, ratings_card

vote = next(b for b in votes if b.question_id == items[2].id and "reference" not in (b.model_a, b.model_b))
left, right = (answers[model][vote.question_id] for model in (vote.model_a, vote.model_b))
battle_card(items[2], left, right, 1, 400)

# %% tags=["slide-output"]
battle_card(items[2], left, right, 1, 400, vote)

# %%
ratings_card(votes)

# %% [markdown]
# What you have voted so far is one line away. Is the left seat dear to you too?

# %% tags=["machine"]
from ift_lib.evaluation.votes import VoteStore

mine = VoteStore("runs/votes.sqlite").battles("me")
print(len(mine), "votes by you, left in", sum(b.winner == "model_a" for b in mine))

# %% [markdown]
# A class can vote into one file at the same time, each under a name of their own, and `VoteStore(...).export("votes.csv")` writes the table in the form that the public arena publishes. For a run of your
# own: `arena(load_items("runs/1"))` sets the model before fine-tuning against the one after it. With forty items that is an evening for two, and worth more than most numbers.
#
# ## 5 What such numbers mean, and how they mislead
#
# A win rate is about one baseline, one list of questions and one judge. A rating is about everybody who was in the arena: who voted, on what. Take our votes apart.
#
# **Who votes.** The same contenders, the same questions, by kind of voter:

# %%
for kind in ("reader", "decorator"):
    own = bradley_terry([battle for battle in votes if battle.judge.startswith(kind)])
    lead = own["finetuned-dressed"] - own["finetuned"]
    print(f"{kind + 's':11} {', '.join(own)}; dressed leads by {lead:.0f}")

# %% [markdown]
# "Better" was two things, and the plain rating is their mixture, by how many of each happened to come.
#
# **Which questions.** Choose the fifteen tasks at which copying does best against `finetuned` (somebody who sells copying would), and rate the votes on these alone:

# %% tags=["slide"]
from ift_lib.evaluation import token_f1

gain = {
    i.id: token_f1(answers["nearest-copy"][i.id], i.output) - token_f1(answers["finetuned"][i.id], i.output)
    for i in items
}
chosen = sorted(gain, key=gain.get, reverse=True)[:15]
selected = [battle for battle in votes if battle.question_id in chosen]
for name, table in (("all tasks", ratings), ("chosen tasks", bradley_terry(selected))):
    print(f"{name:13} finetuned {table['finetuned']:.0f}, nearest-copy {table['nearest-copy']:.0f}")

# %% [markdown]
# Nobody lied, and the order is turned round. The visitors of an arena choose the questions too. And who may try many versions in private and show
# only the best one chooses as well ([Singh et al. 2025](https://arxiv.org/abs/2504.20879)).
#
# **Votes that know nothing.** What would the hurried voter have done with the cap off? And if the page had not drawn the seats, but always put `finetuned` left?

# %%
uncapped = clean_battles(raw, identity_words=()).battles


def finetuned_left(battle):
    """The same vote on a page that seats finetuned left: readers judge as before, who is hurried still votes left."""
    if battle.model_b != "finetuned":
        return battle
    turned = {"model_a": "model_b", "model_b": "model_a"}.get(battle.winner, battle.winner)
    return replace(
        battle,
        model_a=battle.model_b,
        model_b=battle.model_a,
        winner="model_a" if battle.judge == "hurried" else turned,
    )


tables = {
    "capped": bradley_terry(votes),
    "uncapped": bradley_terry(uncapped),
    "uncapped, finetuned left": bradley_terry([finetuned_left(battle) for battle in uncapped]),
}
for name, table in tables.items():
    spread = max(table.values()) - min(table.values())
    print(f"{name:25} finetuned {table['finetuned']:.0f}, from first to last {spread:.0f} points")

# %% [markdown]
# With drawn seats, blind votes are noise: they press all ratings together. With fixed seats they are a bonus for whoever sits there.
#
# So before you believe a ranking, or print one, ask:
#
# | ask | what can be done |
# |---|---|
# | Who voted, or which judge? | name them; test the judge (chapter 7); rate groups apart |
# | On which questions, and who chose them? | fix the list before you look; report by category |
# | How long were the answers, how dressed? | print lengths; length control, style control |
# | Who sat where? | draw seats; play both orders; count how often the seat decides |
# | Does the order of the votes matter? | Bradley–Terry, not online Elo |
# | How many votes, how wide the interval? | print both; shared ranks for overlapping intervals |
# | Did anyone never lose, or never meet the others? | no rating, and say so |
#
# ## Exercises
#
# Each check says what it makes of your answer.

# %%
from ift_lib.course.checks import comparing as checks

# %% [markdown]
# ### Exercise 1 · easy · 10 min
#
# A leaderboard sorted by rating claims more than it knows. Write `ranks_of(intervals)`: it gets a dictionary from each model to its interval `(low, high)` and returns a dictionary from each model to its rank, 1 + the number of models that are surely better. A model is surely better
# if its lower end lies *above* my upper end; ends that touch overlap. Build it yourself, without `ranks`.
#
# Expected: `ranks_of({"a": (1100, 1200), "b": (1050, 1150), "c": (900, 1000)})` is `{'a': 1, 'b': 1, 'c': 3}`.
#
# <details><summary>Hint</summary>For each model, go over all models and count. A model is never surely better than itself, so it need not be left out.</details>


# %% tags=["exercise"]
def ranks_of(intervals):
    # your code
    ...


# %% tags=["solution"]
def ranks_of(intervals):
    return {
        model: 1 + sum(other_low > high for other_low, _ in intervals.values())
        for model, (_, high) in intervals.items()
    }


# %%
checks.exercise_1(ranks_of)

# %% [markdown]
# ### Exercise 2 · medium · 15 min
#
# **Break it.** Somebody writes AlpacaEval anew. The judge's replies become numbers in the order *as shown* (1: the first one is better, 2: the second one), and `switched` says for each
# instruction whether the model was the one shown first.


# %%
import math


def careless_win_rate(shown, switched):
    return 100 * sum(preference - 1 for preference in shown) / len(shown)


switched = [is_switched(task) for task in tasks.values()]
shown = [3 - p if s else p for p, s in zip(preferences, switched, strict=True)]  # as the fair judge replied

# %% [markdown]
# **See the symptom.** Section 2 counted 35 wins of 40:

# %%
print(f"careless: {careless_win_rate(shown, switched):.1f}   section 2: {alpaca_win_rate(preferences).win_rate:.1f}")

# %% [markdown]
# **Repair it.** Write `careful_win_rate(shown, switched)`. It returns two numbers: the win rate of the model in percent, and the share of replies that could be read. A reply that could not be read is NaN
# (`math.nan`); it is left out of the win rate, as AlpacaEval does, and the share says so. When nothing can be read, the win rate is NaN.
#
# Expected: `careful_win_rate([2, 1, 1, 2, math.nan], [False, True, True, True, False])` is `(75.0, 0.8)`.
#
# <details><summary>Hint</summary>When the seats were switched, 1 (the first one) means the model. `math.isnan(p)` finds the unreadable; `p == math.nan` is never true.</details>


# %% tags=["exercise"]
def careful_win_rate(shown, switched):
    # your code
    ...


# %% tags=["solution"]
def careful_win_rate(shown, switched):
    wins = [(3 - p if s else p) - 1 for p, s in zip(shown, switched, strict=True) if not math.isnan(p)]
    rate = 100 * sum(wins) / len(wins) if wins else math.nan
    return rate, len(wins) / len(shown)


# %%
checks.exercise_2(careful_win_rate)

# %% [markdown]
# ### Exercise 3 · medium · 15 min
#
# How many votes does it take? Two models stand `difference` points apart in truth, and meet each other in *n* votes, without ties. The better one wins a share *p* of them, which the difference predicts
# (section 3); the standard error of that share is √(*p*(1 − *p*)/*n*). Write `votes_needed(difference)`: the smallest whole *n* for which *p* − 1.96 standard errors lies above one half. The difference is above 0.
#
# Expected: `votes_needed(100)` is 46.
#
# <details><summary>Hint</summary>Solve *p* − 1.96 √(*p*(1 − *p*)/*n*) > 1/2 for *n*, then round up: `math.floor(...) + 1`. Trying one *n* after the other works too, and takes a while for a difference of 1.</details>


# %% tags=["exercise"]
def votes_needed(difference):
    # your code
    ...


# %% tags=["solution"]
def votes_needed(difference):
    p = 1 / (1 + 10 ** (-difference / 400))
    return math.floor(1.96**2 * p * (1 - p) / (p - 0.5) ** 2) + 1


# %%
checks.exercise_3(votes_needed)

# %% [markdown]
# Try it with 10, 3 and 1, and then look at how many points lie between neighbours on a public leaderboard.
#
# ### Exercise 4 · hard · 30 min
#
# What is the left seat worth? Write `ratings_with_seat(battles)`: Bradley–Terry with one number more, added to the left model's rating in *every* vote, whoever sits there. Return two things: the ratings as a dictionary (mean 1000, as before),
# and what the left seat is worth, in points. No ridge.
#
# Expected: for `votes`, the seat is worth about 18 points; for `uncapped`, about 76, and there `reference` gets 1220 in place of 1213.
#
# <details><summary>Hint</summary>In `ratings_by_hand` the difference `theta[left] - theta[right]` becomes `seat + theta[left] - theta[right]`, and `seat` moves by the sum of all surprises. 400 times `seat` are points.</details>


# %% tags=["exercise"]
def ratings_with_seat(battles):
    # your code
    ...


# %% tags=["solution"]
def ratings_with_seat(battles, rounds=3000):
    models, left, right, outcome = arrays_of(battles)
    theta, seat = np.zeros(len(models)), 0.0
    for _ in range(rounds):
        expected = 1 / (1 + 10 ** (theta[right] - theta[left] - seat))
        surprise = (outcome - expected) / len(battles)
        theta += np.bincount(left, surprise, len(models)) - np.bincount(right, surprise, len(models))
        seat += surprise.sum()
    return dict(zip(models, 1000 + 400 * theta, strict=True)), 400 * seat


# %%
checks.exercise_4(ratings_with_seat)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("10_comparing")

# %% [markdown]
# ## Recap
#
# * "Which is better?" needs no scale, but its answer belongs to a baseline or a field, a list of questions and a judge: name all three.
# * Draw the seats, and turn the verdict back; a win rate near 50 may mean equal models or a judge that sees nothing.
# * Length and style are worth votes; one more term in a logistic fit takes out what was counted, and only that.
# * Online Elo depends on the order of the votes; Bradley–Terry does not, and has no rating for who never lost.
# * A rating comes with its interval and its votes, and overlapping intervals share a rank.
#
# ## Where next
#
# Chapter 11 is your own data: a model of yours against the baseline, on questions fixed beforehand, with a report that says all of the above. In the code: `ift_lib/evaluation/alpaca_eval.py` and `alpaca_eval_lc.py`, `arena.py`, `bradley_terry.py` and
# `style_control.py`, each short enough to read; `ift_lib/assets/arena/README.md` has the rules of the simulated crowd, and `tools/make_votes.py` makes another one.
