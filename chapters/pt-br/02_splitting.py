# %% [markdown]
# # 2 Divisão dos dados
#
# **Você vai aprender** a olhar para um conjunto de dados antes de confiar nele, a encontrar o que está quebrado e o que aparece duas vezes, e a dividi-lo
# em treino, [validação](../../book/pt-br/glossary.md#validation-set) e teste com uma [semente](../../book/pt-br/glossary.md#random-seed), de modo que nada [vaze](../../book/pt-br/glossary.md#leak), e a provar isso.
#
# **Você precisa** do capítulo 1 e de Python.
#
# | para você | para a máquina | memória | rede |
# |---|---|---|---|
# | 80 min | 1 min | 0,4 GB | nenhuma |

# %% [markdown]
# Um modelo só pode ser tão bom quanto os seus dados, e uma nota só pode ser tão honesta quanto o seu [conjunto de teste](../../book/pt-br/glossary.md#test-set). Nenhum dos dois dá erro quando é ruim. Uma resposta
# vazia ensina o modelo a não dizer nada; uma pergunta de teste que também estava nos dados de treino mede memória e passa por conhecimento. Por isso este
# capítulo vem antes de qualquer treino.
#
# ## 1 Olhe
#
# Primeiro, conte. Quantos exemplos há de cada tipo?

# %%
from collections import Counter, defaultdict

from ift_lib import load_examples
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
counts = Counter(example.category for example in examples)
print(len(examples), "exemplos,", len(counts), "categorias")
print("mais:  ", counts.most_common(3))
print("menos: ", counts.most_common()[-3:])

# %% [markdown]
# E que tamanho eles têm? Em palavras: [instrução](../../book/pt-br/glossary.md#instruction) e [entrada](../../book/pt-br/glossary.md#input) juntas, e a resposta.

# %%
import statistics

questions = [len(f"{e.instruction} {e.input}".split()) for e in examples]
answers = [len(e.output.split()) for e in examples]
for name, lengths in (("perguntas", questions), ("respostas", answers)):
    print(f"{name}: {min(lengths)} a {max(lengths)} palavras, mediana {statistics.median(lengths):g}")

# %% mystnb={"image": {"alt": "Dois gr\u00e1ficos de barras. \u00c0 esquerda: as 28 categorias, com 90 a 154 exemplos cada uma; a maior \u00e9 everyday_knowledge, com 154. \u00c0 direita: palavras nas perguntas e nas respostas; as respostas t\u00eam em geral menos de 10 palavras, as perguntas chegam a 35."}}
import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5.5), layout="constrained", width_ratios=[3, 2])
names, numbers = zip(*reversed(counts.most_common()), strict=True)
left.barh(names, numbers, color="#0072b2")
left.set_xlabel("exemplos")
left.tick_params(axis="y", labelsize=8)
right.hist(questions, bins=range(0, 37), color="#0072b2", alpha=0.6, label="perguntas")
right.hist(answers, bins=range(0, 37), histtype="step", color="#d55e00", linewidth=2, label="respostas")
right.set_xlabel("palavras")
right.legend(frameon=False)
plt.show()

# %% [markdown]
# Procure o que surpreende: uma categoria com três exemplos, uma barra muito à direita, um pico no 0. Aqui, só surpreendem as muitas respostas de uma palavra, e a maioria
# delas são rótulos: um sentimento, uma classe de palavras, um tipo de frase. Não há nada de errado, porque o conjunto foi feito para
# este curso. A maioria dos conjuntos não foi; por isso, aqui vai um que está quebrado.
#
# ## 2 Encontre o que está quebrado
#
# `flawed.json` tem 42 registros, a maioria com algum defeito. Leia alguns, como aparecem no arquivo:

# %%
import json

flawed = EMBEDDED.with_name("flawed.json")
entries = json.loads(flawed.read_text(encoding="utf-8"))
for number in (4, 10, 14, 26, 36):
    print(number, entries[number])

# %% [markdown]
# Uma primeira ajudante, feita à mão: ela procura tudo o que torna um registro inutilizável e que um programa consegue ver. Um campo pode faltar (ou ser `null`), ser do tipo errado, estar vazio ou
# conter caracteres de controle invisíveis, como aquele que toca a campainha de um terminal antigo.


# %%
def faults(entry):
    if not isinstance(entry, dict):
        return [f"é do tipo {type(entry).__name__}"]
    found = []
    for field in ("instruction", "input", "output", "category"):
        text, required = entry.get(field), field in ("instruction", "output")
        if text is None:
            if required:
                found.append(f"falta {field}")
        elif not isinstance(text, str):
            found.append(f"{field} é do tipo {type(text).__name__}")
        elif required and not text.strip():
            found.append(f"{field} está vazio")
        elif any(ord(letter) < 32 and letter not in "\t\n\r" for letter in text):
            found.append(f"caractere de controle em {field}")
    return found


by_hand = {number: found for number, entry in enumerate(entries) if (found := faults(entry))}
for number, found in by_hand.items():
    print(number, found)

# %% [markdown]
# `find_problems` faz o mesmo e diz em que lugar. Ela também relata cópias exatas, que podem ser usadas, mas que vale a pena conhecer; por isso, cada problema tem uma marca, `fatal`. (As mensagens
# do pacote estão em inglês.)

# %%
from ift_lib import find_problems

problems = find_problems(flawed)
for problem in problems:
    print(problem)
assert {problem.index for problem in problems if problem.fatal} == set(by_hand)

# %% [markdown]
# `load_examples` recusa um arquivo assim e lista todos os defeitos de uma vez, porque ninguém gosta de consertar um arquivo erro por erro. Só quando você pede
# ela segue em frente sem os registros quebrados:

# %%
from ift_lib import InputError

try:
    load_examples(flawed)
except InputError as error:
    lines = str(error).splitlines()
    print("InputError:", lines[0].rpartition("/")[2])
    print(lines[1])
    print(f"  … mais {len(lines) - 3} linhas …")
    print(lines[-1])

usable = load_examples(flawed, skip_problems=True)
print(len(usable), "de", len(entries), "registros podem ser usados")

# %% [markdown]
# ### O que nenhum programa encontra
#
# Poder ser usado não quer dizer ser bom. Os tamanhos mostram mais um defeito; para os outros, alguém precisa ler. (`examine` guarda cada exemplo com o número do seu registro.)

# %%
from ift_lib.data import examine

numbered = examine(flawed).examples
assert list(numbered.values()) == usable

words = {number: len(f"{e.instruction} {e.input} {e.output}".split()) for number, e in numbered.items()}
print("mais longos:", sorted(words.items(), key=lambda item: -item[1])[:3])
for number in (17, 26, 31, 33):
    print(number, numbered[number])

# %% [markdown]
# O registro 20 tem muito mais palavras do que qualquer outro. O registro 17 contém letras que parecem o [fim de texto](../../book/pt-br/glossary.md#end-of-text) do [GPT-2](../../book/pt-br/glossary.md#gpt-2) (capítulo 1: aqui elas continuam sendo letras; em outros lugares, talvez não).
# O registro 26 não faz o que foi pedido, o 31 pergunta sobre uma frase que não está lá, e o 33 está errado, como diz o seu próprio texto. Um modelo aprende
# com respostas erradas tão de bom grado quanto com as certas. Nada substitui a leitura: algumas centenas de registros levam uma hora.
#
# ## 3 Encontre o que aparece duas vezes
#
# Duplicatas fazem mal duas vezes: o modelo decora o que vê com frequência, e uma cópia do outro lado da divisão estraga o teste.
# Quais perguntas são iguais? Não só as que são a mesma *string*: maiúsculas, pontuação e espaços não fazem outra pergunta. Então *[normalize](../../book/pt-br/glossary.md#normalise)*, e depois compare:

# %%
import re


def bare_question(example):
    question = f"{example.instruction} {example.input}".lower()
    return " ".join(re.findall(r"\w+", question))


print(bare_question(numbered[36]))

same = defaultdict(list)
for number, example in numbered.items():
    same[bare_question(example)].append(number)
print([group for group in same.values() if len(group) > 1])

# %% [markdown]
# Comparamos perguntas, não respostas: em dois desses pares as respostas são diferentes, e a pergunta vaza do mesmo jeito.
#
# Agora, uma pergunta com algumas palavras a mais, ou com uma letra trocada: uma *[quase duplicata](../../book/pt-br/glossary.md#near-duplicate)*. Ela é outra string, mesmo normalizada. Então cortamos cada pergunta em
# pedaços de cinco letras que se sobrepõem, os *[shingles](../../book/pt-br/glossary.md#shingle)*, e perguntamos que parte dos pedaços as duas têm em comum, a *[similaridade de Jaccard](../../book/pt-br/glossary.md#jaccard-similarity)*:
#
# $$J(A, B) = \frac{|A \cap B|}{|A \cup B|}$$


# %%
def my_shingles(example):
    text = bare_question(example)
    return {text[at : at + 5] for at in range(max(1, len(text) - 4))}


def jaccard(a, b):
    a, b = my_shingles(a), my_shingles(b)
    return len(a & b) / len(a | b)


print(sorted(my_shingles(numbered[2])))
print()
for one, other in ((35, 36), (15, 16), (24, 25), (18, 19), (0, 1)):
    print(f"{jaccard(numbered[one], numbered[other]):.2f}")
    for number in (one, other):
        print("     ", numbered[number].instruction, numbered[number].input)

# %% [markdown]
# Os dois primeiros pares são apanhados com um limiar de 0,85. O terceiro e o quarto também são a mesma pergunta, como você vê, e as letras quase não mostram isso: um limite
# do método que convém conhecer. (Comparar significados, com os vetores de um [modelo de linguagem](../../book/pt-br/glossary.md#language-model), encontra mais, e encontra também pares errados.)
#
# Todos os pares, à mão e com `find_duplicates`, que responde em grupos de índices:

# %%
from itertools import combinations

from ift_lib import find_duplicates

pairs = [[a, b] for (a, one), (b, other) in combinations(numbered.items(), 2) if jaccard(one, other) >= 0.85]
print(pairs)

number_of = list(numbered)
groups = [[number_of[i] for i in group] for group in find_duplicates(usable)]
assert groups == pairs  # aqui todo grupo é um par
print("find_duplicates diz o mesmo")

# %% [markdown]
# Num conjunto de *n* exemplos há *n*(*n* − 1)/2 pares; à mão, portanto, isso serve para arquivos pequenos. `find_duplicates` dá a mesma resposta sem
# olhar para todos os pares (a docstring dela diz como). E agora, finalmente, o nosso próprio conjunto de dados:

# %%
n = len(examples)
print(f"{n * (n - 1) // 2:,} pares; grupos de duplicatas: {find_duplicates(examples)}")

# %% [markdown]
# ### Limpe
#
# Pegue os registros que podem ser usados, deixe de fora o que a leitura e a contagem mostraram ser ruim e fique com um de cada grupo. Anote o que você deixou de fora e por quê: isso
# faz parte dos resultados.

# %%
import tempfile
from pathlib import Path

from ift_lib import save_examples

left_out = {20: "longo demais", 17: "parece marcação", 26: "errado", 31: "falta a entrada", 33: "errado"}
left_out |= {19: "o 18 com outras palavras", 25: "o 24 com outras palavras"}
left_out |= {number: f"cópia do {first}" for first, *others in groups for number in others}
clean = [example for number, example in numbered.items() if number not in left_out]
print(f"{len(entries)} registros, {len(by_hand)} quebrados, {len(left_out)} deixados de fora, {len(clean)} mantidos")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "clean.json"
    save_examples(path, clean)
    assert load_examples(path) == clean and find_problems(path) == [] and find_duplicates(clean) == []

# %% [markdown]
# ## 4 Três partes
#
# * O modelo aprende com a parte de *treino*.
# * Enquanto ele aprende, você acompanha a [perda](../../book/pt-br/glossary.md#loss) na parte de *validação* e faz escolhas com base nela: quando parar, qual [taxa de aprendizado](../../book/pt-br/glossary.md#learning-rate) usar. Quanto mais você escolhe, mais a escolha se ajusta justamente
#   a essa parte.
# * Por isso, a parte de *teste* é usada uma única vez, no fim, para o número que você vai relatar.
#
# À mão: embaralhe os números dos exemplos e corte. O sorteio tem um gerador só dele, com uma *semente* (*seed*), para que possa ser repetido.

# %%
import random


def my_split(n, validation=0.05, test=0.10, seed=123):
    order = list(range(n))
    random.Random(seed).shuffle(order)
    first, second = round(test * n), round((test + validation) * n)
    return order[second:], order[first:second], order[:first]


train, validation, test = my_split(len(examples))
print(len(train), "treino,", len(validation), "validação,", len(test), "teste")
assert my_split(len(examples)) == (train, validation, test)  # a mesma semente, a mesma divisão
assert my_split(len(examples), seed=124)[2] != test

# %% [markdown]
# Todas as categorias estão bem representadas na parte de teste? Por acaso, algumas entregam metade do décimo que deveriam; outras, muito mais do que isso:

# %%
in_test = Counter(examples[i].category for i in test)
shares = {category: in_test[category] / counts[category] for category in counts}
for category in (min(shares, key=shares.get), max(shares, key=shares.get)):
    print(f"{category}: {in_test[category]} de {counts[category]} na parte de teste, {shares[category]:.0%}")

# %% [markdown]
# Uma nota para cada tipo de tarefa precisa de um bom número de exemplos de cada um, e duas divisões de um conjunto de dados são mais fáceis de comparar quando têm a mesma mistura. Então *[estratificamos](../../book/pt-br/glossary.md#stratify)*: dividimos
# cada categoria separadamente. Há uma dificuldade, pequena e comum. Cinco por cento de 105 exemplos são 5,25, e 28 vezes um quarto perdido são 7
# exemplos a menos. Por isso, o que não pôde ser entregue fica *devendo* e passa para a categoria seguinte.


# %%
def my_stratified_split(categories, validation=0.05, test=0.10, seed=123):
    parts = {"train": [], "validation": [], "test": []}
    owed = {"validation": 0.0, "test": 0.0}
    rng = random.Random(seed)
    for category in sorted(set(categories)):
        members = [i for i, c in enumerate(categories) if c == category]
        rng.shuffle(members)
        owed["validation"] += validation * len(members)
        owed["test"] += test * len(members)
        for i in members:
            part = "test" if owed["test"] >= 0.5 else "validation" if owed["validation"] >= 0.5 else "train"
            parts[part].append(i)
            if part != "train":
                owed[part] -= 1
    return {name: sorted(part) for name, part in parts.items()}


mine = my_stratified_split([example.category for example in examples])
print({name: len(part) for name, part in mine.items()})
in_test = Counter(examples[i].category for i in mine["test"])
print(f"fração de teste por categoria: {min(in_test[c] / counts[c] for c in counts):.1%}", end=" ")
print(f"a {max(in_test[c] / counts[c] for c in counts):.1%}")

# %% [markdown]
# `split_examples` faz isso e mais uma coisa: duplicatas mudam de lugar juntas, como se fossem uma só. Nossos dados não têm nenhuma; portanto, as duas funções devem concordar, exemplo por exemplo:

# %%
from ift_lib import split_examples

split = split_examples(examples, validation=0.05, test=0.10, seed=123)
assert {name: list(part) for name, part in vars(split).items()} == mine
print("os mesmos", len(split.train) + len(split.validation) + len(split.test), "índices nas mesmas partes")

# %% [markdown]
# ## 5 Prove que nada vaza
#
# Um *vazamento* é qualquer coisa da parte de teste que o modelo possa ter visto no treino. Faremos três afirmações, cada uma verificada por si, sem a
# função que fez a divisão.
#
# **Cada exemplo está em exatamente uma parte.**

# %%
assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(examples)))
print("cada um dos", len(examples), "exemplos está em exatamente uma parte")

# %% [markdown]
# **Nenhuma pergunta está em duas partes**, sem contar maiúsculas, pontuação e espaços.

# %%
train_set, validation_set, test_set = ([examples[i] for i in part] for part in vars(split).values())
seen = {bare_question(example) for example in train_set}
print(sum(bare_question(example) in seen for example in validation_set + test_set), "perguntas foram feitas no treino")

# %% [markdown]
# **Nenhuma pergunta é quase igual a uma da parte de treino.** Para cada pergunta procuramos a mais parecida do treino. Pares que não têm nenhum
# pedaço em comum têm similaridade 0; basta, então, contar os pedaços em comum, com uma lista de quem tem cada pedaço.


# %%
def closest(questions, known):
    """Para cada pergunta: a similaridade com a mais parecida das conhecidas e o número desta."""
    known_pieces = [my_shingles(example) for example in known]
    holders = defaultdict(list)
    for number, pieces in enumerate(known_pieces):
        for piece in pieces:
            holders[piece].append(number)
    found = []
    for question in questions:
        pieces = my_shingles(question)
        shared = Counter()
        for piece in pieces:
            shared.update(holders.get(piece, []))
        # Entre iguais, a primeira, para que a resposta não dependa da ordem da contagem.
        similarity, number = max(
            ((n / (len(pieces) + len(known_pieces[k]) - n), -k) for k, n in shared.items()), default=(0.0, 0)
        )
        found.append((similarity, -number))
    return found


similar = closest(test_set, train_set)
assert max(similarity for similarity, _ in similar) < 0.85
for place in sorted(range(len(similar)), key=lambda place: -similar[place][0])[:2]:
    similarity, number = similar[place]
    print(f"{similarity:.2f}", [(e.instruction, e.input) for e in (test_set[place], train_set[number])])

# %% [markdown]
# Estas são as mais próximas de todas: a mesma instrução com outra palavra, e com outra resposta. É para isso que serve o limiar. Perguntas assim são desejadas: o
# modelo aprendeu *como* se faz esse tipo de tarefa e é testado com uma palavra que não viu.

# %% mystnb={"image": {"alt": "Histograma de 290 perguntas de teste pela similaridade com a pergunta de treino mais parecida. A maioria fica entre 0,3 e 0,8; nenhuma alcan\u00e7a o limiar, uma linha tracejada em 0,85."}}
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.hist([similarity for similarity, _ in similar], bins=[i / 20 for i in range(21)], color="#0072b2")
axes.axvline(0.85, color="#d55e00", linestyle="--")
axes.text(0.86, axes.get_ylim()[1] * 0.9, "limiar", color="#a04500")
axes.set_xlabel("similaridade com a pergunta de treino mais parecida")
axes.set_ylabel("perguntas de teste")
plt.show()

# %% [markdown]
# ## 6 Guarde a divisão, não só a semente
#
# A mesma semente dá a mesma divisão dos mesmos dados na mesma ordem. Suponha que alguém acrescente um único exemplo, ou ordene o arquivo pelas respostas:

# %%
from ift_lib import Example

one_more = [Example("Name a colour of the rainbow.", output="Green.", category="everyday_knowledge"), *examples]
in_order = sorted(examples, key=lambda example: example.output)
old = {examples[i] for i in split.test}
for what, changed in (("um exemplo a mais", one_more), ("em ordem", in_order)):
    again = split_examples(changed, seed=123)
    still = old & {changed[i] for i in again.test}
    moved = old & {changed[i] for i in again.train}
    assert moved
    print(f"{what}: {len(still)} dos {len(old)} exemplos de teste continuam na parte de teste, {len(moved)} no treino")

# %% [markdown]
# Um modelo treinado com essa nova parte de treino já viu um pedaço do teste antigo.
#
# Portanto, o lugar da semente é nas suas anotações, e o da divisão é em arquivos. Assim, qualquer pessoa pode medir com exatamente os mesmos exemplos daqui a um ano.

# %%
with tempfile.TemporaryDirectory() as folder:
    for name, part in vars(split).items():
        save_examples(Path(folder) / f"{name}.json", [examples[i] for i in part])
    assert load_examples(Path(folder) / "test.json") == test_set
    print(sorted(path.name for path in Path(folder).iterdir()))

# %% [markdown]
# (`ift run` escreve os números dos registros de cada parte em `split.json`, ao lado de tudo o mais que uma execução deixa.)
#
# ## 7 Olhe de perto
#
# O explorador de divisões usa os nossos dados com algumas cópias plantadas neles, como acontece em conjuntos reais. Arraste as frações e experimente:
#
# * desligue “stratified” (estratificado): as pontas das barras já não ficam alinhadas. Qual categoria sofre mais? Tente outras sementes;
# * desligue “duplicates kept together” (duplicatas mantidas juntas): o que vaza, e quantas de cada cem cópias?
# * plante 400 cópias, ou nenhuma;
# * deixe a validação bem pequena: o que significa 1 % de uma categoria de cem?

# %% tags=["widget"]
from ift_lib.course.widgets import split_explorer

split_explorer()

# %% [markdown]
# O mesmo desenho sem os controles, no seu primeiro estado, e a prova de que ele mostra o que `split_examples` faz:

# %%
from ift_lib.course.widgets import split_in_a_way, split_picture, with_copies

copied = with_copies(examples, 100)
duplicates = find_duplicates(copied)
safe = split_examples(copied)
assert split_in_a_way(copied, duplicates) == safe
split_picture(copied, safe, duplicates)

# %% [markdown]
# E o que acontece sem as duas proteções, com a mesma semente:

# %%
careless = split_in_a_way(copied, duplicates, stratified=False, together=False)
split_picture(copied, careless, duplicates)

# %% [markdown]
# ## Exercícios
#
# Substitua o `...`, execute a célula e depois execute a verificação abaixo dela. A verificação diz o que está errado (em inglês), e você pode tentar quantas vezes quiser.

# %%
from ift_lib.course.checks import splitting as checks

# %% [markdown]
# ### Exercício 1 · fácil · 8 min
#
# Escreva `leaks(train, test)`. A função recebe duas listas de `Example`s e devolve as posições, em `test`, das perguntas que também estão em `train`. Duas perguntas são iguais se
# a instrução e a entrada o são, sem contar maiúsculas, pontuação e espaços; as respostas não importam. (A `bare_question` da seção 3 pode ajudar.)
#
# Esperado: para `train = [Example("Name a fruit.")]` e `test = [Example("Name a tree."), Example("name a FRUIT")]`, o resultado é `[1]`.
#
# <details><summary>Dica</summary>Reúna as perguntas normalizadas de <code>train</code> num conjunto. Depois percorra <code>test</code> com <code>enumerate</code>.</details>


# %% tags=["exercise"]
def leaks(train, test): ...


# %% tags=["solution"]
def leaks(train, test):
    seen = {bare_question(example) for example in train}
    return [place for place, example in enumerate(test) if bare_question(example) in seen]


# %%
checks.exercise_1(leaks)

# %% [markdown]
# ### Exercício 2 · médio · 10 min
#
# Escreva `split_in_two(examples, test, seed)`, que devolve duas listas, treino e teste. A parte de teste é a fração `test` dos exemplos (arredondada), sorteada. A mesma
# semente dá as mesmas duas listas; outra semente, outras. A lista que foi passada para a função fica como está, e também ficam como estão os geradores aleatórios que todos compartilham, como o de `random.shuffle`.
#
# Esperado: para dez exemplos e `test=0.3`, sete e três, e juntos todos os dez.
#
# <details><summary>Dica</summary>Seção 4. <code>random.Random(seed)</code> é um gerador só seu, e <code>list(examples)</code> é uma cópia.</details>


# %% tags=["exercise"]
def split_in_two(examples, test, seed): ...


# %% tags=["solution"]
def split_in_two(examples, test, seed):
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    cut = round(test * len(shuffled))
    return shuffled[cut:], shuffled[:cut]


# %%
checks.exercise_2(split_in_two)

# %% [markdown]
# ### Exercício 3 · médio · 20 min
#
# **Quebre o código.** Alguém primeiro divide e só depois remove as duplicatas, em cada parte. As duas partes ficam limpas, e uma verificação confirma:

# %%
data = with_copies(examples[:1000], 200)
order = random.Random(123).sample(range(len(data)), len(data))
parts = {"test": [data[i] for i in order[:240]], "train": [data[i] for i in order[240:]]}
for name, part in parts.items():
    extra = {i for group in find_duplicates(part) for i in group[1:]}
    parts[name] = [example for i, example in enumerate(part) if i not in extra]
    print(f"{name}: {len(extra)} duplicatas removidas, restam {len(parts[name])}, agora {find_duplicates(parts[name])}")

# %% [markdown]
# **Veja o sintoma.** Olhando uma parte de cada vez, não há nada de errado. Entre as duas, há:

# %%
similar = closest(parts["test"], parts["train"])
leaked = [place for place, (similarity, _) in enumerate(similar) if similarity >= 0.85]
print(f"{len(leaked)} de {len(parts['test'])} perguntas de teste têm uma (quase) duplicata no treino. Uma delas:")
print("  teste: ", parts["test"][leaked[0]].instruction, parts["test"][leaked[0]].input)
print("  treino:", parts["train"][similar[leaked[0]][1]].instruction, parts["train"][similar[leaked[0]][1]].input)

# %% [markdown]
# O que isso faz com uma nota? Aqui está um “modelo” que só sabe lembrar: um papagaio dá a resposta da pergunta mais parecida que já viu.

# %%
correct = [
    parts["train"][number].output == example.output for example, (_, number) in zip(parts["test"], similar, strict=True)
]
honest = [yes for place, yes in enumerate(correct) if place not in leaked]
print(f"o papagaio nas perguntas que vazaram: {sum(correct[place] for place in leaked) / len(leaked):.0%} de acertos")
print(f"em todas as outras: {sum(honest) / len(honest):.0%}")
print(f"na parte de teste inteira, como seria relatado: {sum(correct) / len(correct):.0%}")
assert sum(correct) / len(correct) > sum(honest) / len(honest)

# %% [markdown]
# **Conserte.** Escreva `split_groups(count, groups, test, seed)`. Há `count` exemplos, numerados a partir de 0, e `groups` são as listas de números que `find_duplicates` dá; a maioria
# dos números não está em grupo nenhum. Devolva duas listas de números, treino e teste, com mais ou menos a fração `test` na segunda, sorteada por `seed`. Nenhum grupo pode ser
# separado, e nenhum número pode se perder.
#
# Esperado: `split_groups(4, [[0, 3]], 0.5, seed)` é ou `[0, 3]` e `[1, 2]`, ou `[1, 2]` e `[0, 3]`, em qualquer ordem.
#
# <details><summary>Dica</summary>Faça uma lista de unidades: cada grupo é uma, e cada número sozinho é uma lista de tamanho um. Embaralhe as unidades e encha a parte de teste até ela
# ter o bastante. Uma unidade que deixaria a parte de teste grande demais vai para o treino.</details>


# %% tags=["exercise"]
def split_groups(count, groups, test, seed): ...


# %% tags=["solution"]
def split_groups(count, groups, test, seed):
    grouped = {i for group in groups for i in group}
    units = [*groups, *([i] for i in range(count) if i not in grouped)]
    random.Random(seed).shuffle(units)
    train_part, test_part = [], []
    for unit in units:
        fits = len(test_part) + len(unit) <= round(test * count)
        (test_part if fits else train_part).extend(unit)
    return train_part, test_part


# %%
checks.exercise_3(split_groups)

# %% [markdown]
# ### Exercício 4 · difícil · 20 min
#
# Se A é quase B, e B é quase C, então A, B e C devem ficar juntos, mesmo que A e C não sejam parecidos o bastante: uma corrente. Escreva `to_groups(pairs)`, que transforma pares
# de exemplos parecidos em grupos. Os pares vêm em qualquer ordem. Cada grupo é uma lista ordenada, e os grupos são ordenados pelo seu primeiro número.
#
# Esperado: `to_groups([(0, 1), (7, 4), (1, 2)])` é `[[0, 1, 2], [4, 7]]`.
#
# <details><summary>Dica</summary>Percorra os pares e mantenha uma lista de conjuntos. Um par novo pode tocar nenhum conjunto, um conjunto ou <b>dois</b>: no último caso, os dois viram um só.</details>


# %% tags=["exercise"]
def to_groups(pairs): ...


# %% tags=["solution"]
def to_groups(pairs):
    groups = []
    for pair in pairs:
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched]
        groups.append(set(pair).union(*touched))
    return sorted(sorted(group) for group in groups)


# %%
checks.exercise_4(to_groups)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("pt-br/02_splitting")

# %% [markdown]
# ## Resumo
#
# * Conte, meça os tamanhos e leia: programas encontram o que está quebrado, pessoas encontram o que está errado.
# * As perguntas são comparadas depois de normalizadas; as quase duplicatas, por seus shingles; a mesma pergunta com outras palavras escapa dos dois.
# * Primeiro remova ou agrupe as duplicatas, depois divida: com uma semente, cada categoria na sua proporção, sem separar grupos.
# * Prove que nada vaza com um código que não fez a divisão.
# * Salve a própria divisão: com um exemplo a mais, a mesma semente dá outra.
#
# ## Para onde ir agora
#
# O [capítulo 3](03_batching.ipynb) transforma a parte de treino em [lotes](../../book/pt-br/glossary.md#batch). No código: `ift_lib/data.py`, `tests/test_data.py` e
# `ift_lib/assets/FLAWED.md`, que lista o defeito de cada registro do arquivo quebrado.
