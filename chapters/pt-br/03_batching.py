# %% [markdown]
# # 3 Lotes e máscara
#
# **Você vai aprender** a transformar exemplos de tamanhos diferentes nos dois retângulos de números com que um modelo é treinado,
# as [entradas](../../book/pt-br/glossary.md#input) e os [alvos](../../book/pt-br/glossary.md#target), e a dizer, para cada [token](../../book/pt-br/glossary.md#token), se a [perda](../../book/pt-br/glossary.md#loss) o conta.
#
# **Você precisa** dos capítulos 1 e 2, de Python e de um pouco de PyTorch.
#
# | para você | para a máquina | memória | rede |
# |---|---|---|---|
# | 75 min | 1 min | 1,2 GB | nenhuma |

# %% [markdown]
# Um modelo é treinado com muitos exemplos ao mesmo tempo, porque uma GPU (e uma CPU também) é muito mais rápida com uma matriz grande do que com
# muitas pequenas. Só que os exemplos têm tamanhos diferentes, e as linhas de uma matriz não. O passo que faz uma coisa a partir da outra se
# chama *[collate](../../book/pt-br/glossary.md#collate)*. Ele tem treze linhas, não dá erro quando está errado, e é nele que dá errado a maior parte do que dá errado num
# [ajuste fino](../../book/pt-br/glossary.md#fine-tuning). Por isso vamos construí-lo à mão, peça por peça, e olhar para cada token.
#
# Para que as linhas fiquem curtas o bastante para serem lidas, este capítulo usa quase sempre o formato Phi-3 do capítulo 1. Nada depende
# disso.

# %%
import random

import torch
import torch.nn.functional as F

from ift_lib import ALPACA, EOT, IGNORE, PHI3, collate, encode_example, get_tokenizer, load_examples
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
three = [examples[32], examples[15], examples[42]]
for example in three:
    print(repr(PHI3.prompt(example)), "→", repr(PHI3.response(example)))

# %% [markdown]
# ## 1 Do texto aos ids
#
# O [prompt](../../book/pt-br/glossary.md#prompt) e a [resposta](../../book/pt-br/glossary.md#response) são codificados separados (o capítulo 1 mostrou por quê: nenhum token pode passar por cima da emenda), e depois da resposta vem
# o *[fim de texto](../../book/pt-br/glossary.md#end-of-text)*, EOT, o único [token especial](../../book/pt-br/glossary.md#special-token) do [GPT-2](../../book/pt-br/glossary.md#gpt-2). É o que o modelo deve dizer quando não tem mais nada a dizer.

# %%
tokenizer = get_tokenizer()
prompts = [tokenizer.encode_ordinary(PHI3.prompt(example)) for example in three]
responses = [tokenizer.encode_ordinary(PHI3.response(example)) for example in three]
rows = [prompt + response + [EOT] for prompt, response in zip(prompts, responses, strict=True)]

print(rows[0])
print([tokenizer.decode([i]) for i in rows[0]])
print("tokens em cada linha:", [len(row) for row in rows])

# %% [markdown]
# `encode_example` faz o mesmo e se lembra de onde o prompt termina.

# %%
encoded = [encode_example(example, PHI3) for example in three]
assert [list(e.ids) for e in encoded] == rows
assert [e.prompt_length for e in encoded] == [len(prompt) for prompt in prompts]
print("tamanhos dos prompts:", [e.prompt_length for e in encoded])

# %% [markdown]
# ## 2 Deslocar: cada token prevê o próximo
#
# Um [modelo de linguagem](../../book/pt-br/glossary.md#language-model) lê um token e diz o que vem depois. Então a *entrada* é a linha sem o último token (nada
# vem depois dele), e o *alvo* é a linha sem o primeiro token (nada o prevê). Em cada posição, entrada e
# alvo são vizinhos.

# %%
row = rows[0]
read, say = row[:-1], row[1:]
for before, after in zip(read, say, strict=True):
    print(f"{tokenizer.decode([before])!r:>12} → {tokenizer.decode([after])!r}")

# %% [markdown]
# Olhe para a última linha: o ponto final é lido, e o alvo é o fim. É só esse par que ensina o modelo a parar.
#
# ## 3 Preencher: linhas de tamanhos diferentes
#
# Um tensor é um retângulo; por isso, isto não funciona:

# %%
try:
    torch.tensor([row[:-1] for row in rows])
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# O *[preenchimento](../../book/pt-br/glossary.md#padding)* (*padding*) completa as linhas curtas. O GPT-2 não tem um token para isso; o costume é usar o EOT. Nas entradas isso não
# faz mal: o preenchimento fica depois do texto, e o GPT-2 nunca olha para a frente (capítulo 4); assim, nenhum token de verdade o vê.
#
# Mas o que o modelo deve dizer onde lê preenchimento? Nada. A [entropia cruzada](../../book/pt-br/glossary.md#cross-entropy) do PyTorch tem um alvo que significa “não conte
# esta posição”: **[−100](../../book/pt-br/glossary.md#ignore-index)** (`ignore_index`, o nosso `IGNORE`). Então as entradas são preenchidas com EOT, e os alvos com −100.

# %%
width = max(len(row) for row in rows) - 1
inputs = torch.tensor([row[:-1] + [EOT] * (width - len(row[:-1])) for row in rows])
targets = torch.tensor([row[1:] + [IGNORE] * (width - len(row[1:])) for row in rows])
print("entradas", tuple(inputs.shape), " a linha 0 termina em", inputs[0, -14:].tolist())
print("alvos   ", tuple(targets.shape), " a linha 0 termina em", targets[0, -14:].tolist())

# %% [markdown]
# Nos alvos sobra exatamente um EOT em cada linha, o verdadeiro, e depois dele só há −100:

# %%
print("EOT entre os alvos de cada linha:   ", (targets == EOT).sum(dim=1).tolist())
print("EOT entre as entradas de cada linha:", (inputs == EOT).sum(dim=1).tolist())

# %% [markdown]
# Nós sabíamos onde está o preenchimento, porque fomos nós que o colocamos ali. Guarde isto: procurá-lo depois, pelo seu id, não
# permite distinguir o preenchimento do fim, e é um dos erros mais conhecidos desta área. No exercício 2 é você quem vai cometê-lo.
#
# ## 4 Mascarar o prompt
#
# Agora todo token é um alvo, os do prompt também: o modelo aprenderia, além do resto, a *escrever* [instruções](../../book/pt-br/glossary.md#instruction). Queremos que ele as
# responda. Então *[mascaramos](../../book/pt-br/glossary.md#mask)* o prompt: seus alvos viram −100.
#
# Quantos deles? Onde o modelo lê o **último** token do prompt, o alvo já é o **primeiro** token da resposta.
# Um prompt de `p` tokens tem, portanto, só `p − 1` alvos a mascarar.

# %%
masked = targets.clone()
for number, prompt in enumerate(prompts):
    masked[number, : len(prompt) - 1] = IGNORE

print("prompt, resposta, EOT:   ", [(len(p), len(r), 1) for p, r in zip(prompts, responses, strict=True)])
print("avaliados sem a máscara: ", (targets != IGNORE).sum(dim=1).tolist())
print("avaliados com a máscara: ", (masked != IGNORE).sum(dim=1).tolist())

# %% [markdown]
# Neste curso, um alvo que não é −100 é chamado de *[avaliado](../../book/pt-br/glossary.md#graded-token)* (*graded*): é um alvo que conta na perda. Com a máscara, são avaliados exatamente a resposta e o seu
# EOT.
#
# Mascarar é melhor? É o nosso padrão, mas não é lei da natureza. O livro de Raschka, *Build a Large Language Model (From
# Scratch)*, do qual este curso descende, deixa o prompt contar, e
# [Shi et al. 2024](https://arxiv.org/abs/2405.14394) viram que contar o prompt ajuda mais quando as instruções são longas e as
# respostas são curtas, ou quando há poucos exemplos. Em `ift_lib` isso é uma opção só, `mask_prompt`. Nunca compare as duas perdas
# uma com a outra: são médias sobre tokens diferentes.
#
# ## 5 Tudo junto
#
# Aqui está o passo inteiro. Um laço, [um deslocamento](../../book/pt-br/glossary.md#shift), dois preenchimentos, nenhuma procura.


# %%
def my_collate(encoded, mask_prompt=True):
    inputs, targets = [], []
    for example in encoded:
        read, say = list(example.ids[:-1]), list(example.ids[1:])  # deslocado aqui, e em nenhum outro lugar
        if mask_prompt:
            hidden = example.prompt_length - 1
            say[:hidden] = [IGNORE] * hidden
        inputs.append(read)
        targets.append(say)
    width = max(len(row) for row in inputs)
    inputs = [row + [EOT] * (width - len(row)) for row in inputs]
    targets = [row + [IGNORE] * (width - len(row)) for row in targets]
    return torch.tensor(inputs), torch.tensor(targets)


mine = my_collate(encoded)
assert torch.equal(mine[0], inputs) and torch.equal(mine[1], masked)
print("igual ao passo a passo")

# %% [markdown]
# `ift_lib.collate` é essa função com boas mensagens de erro, e conta quantos alvos avalia. As duas concordam? Cinquenta
# [lotes](../../book/pt-br/glossary.md#batch) de tamanho aleatório, no formato Alpaca, com as duas opções:

# %%
rng = random.Random(3)
for _trial in range(50):
    batch_of = [encode_example(e, ALPACA) for e in rng.sample(examples, rng.randint(1, 8))]
    for mask_prompt in (True, False):
        batch = collate(batch_of, mask_prompt=mask_prompt)
        my_inputs, my_targets = my_collate(batch_of, mask_prompt)
        assert torch.equal(batch.inputs, my_inputs) and torch.equal(batch.targets, my_targets)
        assert batch.graded == (my_targets != IGNORE).sum()
print("100 lotes, os mesmos tensores")

# %% [markdown]
# ## 6 Olhe de perto
#
# O explorador da máscara mostra um lote token por token: em cima o que o modelo lê, embaixo o seu alvo. Escolha outros exemplos
# ou digite os seus. Três coisas para experimentar:
#
# * desligue a máscara do prompt e observe quantos tokens são avaliados;
# * desligue o deslocamento: cada token vira o seu próprio alvo, e um modelo treinado assim aprende a copiar o que acabou de
#   ler;
# * corte as linhas em 24 tokens: qual linha perde o seu EOT, e qual não tem mais nada a aprender?

# %% tags=["widget"]
from ift_lib.course.widgets import mask_explorer

mask_explorer()

# %% [markdown]
# O mesmo desenho sem os controles, com uma prova de que ele mostra o que `collate` faz:

# %%
from ift_lib.course.widgets import mask_picture

picture = mask_picture(encoded)
assert picture.inputs == inputs.tolist() and picture.targets == masked.tolist()
assert picture.graded == collate(encoded).graded
picture

# %% [markdown]
# ## 7 O que a entropia cruzada faz com −100
#
# Um modelo dá um número (*[logit](../../book/pt-br/glossary.md#logit)*) para cada token do [vocabulário](../../book/pt-br/glossary.md#vocabulary). Veja um vocabulário de três tokens e uma linha de
# quatro posições, das quais duas são avaliadas. A perda de uma posição é −log da probabilidade que o alvo recebeu:

# %%
logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 2.0]])
answer = torch.tensor([-100, 1, 0, -100])

log_p = logits - logits.exp().sum(dim=1, keepdim=True).log()
losses = [-log_p[place, target].item() for place, target in enumerate(answer) if target != -100]
print("perdas das posições avaliadas:", [f"{x:.3f}" for x in losses])
print(f"soma {sum(losses):.3f}, contagem {len(losses)}, média {sum(losses) / len(losses):.3f}")

# %% [markdown]
# Uma posição com −100 não acrescenta nada à soma, nada à contagem e nada ao [gradiente](../../book/pt-br/glossary.md#gradient). O PyTorch diz o mesmo:

# %%
assert torch.isclose(F.cross_entropy(logits, answer, reduction="sum"), torch.tensor(sum(losses)))
assert torch.isclose(F.cross_entropy(logits, answer), torch.tensor(sum(losses) / len(losses)))

leaf = logits.clone().requires_grad_()
F.cross_entropy(leaf, answer).backward()
print("o gradiente em cada posição é diferente de zero:", leaf.grad.ne(0).any(dim=1).tolist())

nothing = torch.full((4,), IGNORE)
total, mean = F.cross_entropy(logits, nothing, reduction="sum"), F.cross_entropy(logits, nothing)
print("nada avaliado: soma", total.item(), "mas média", mean.item())

# %% [markdown]
# A última linha é uma armadilha: um lote em que nada é avaliado tem a média 0/0, e um único NaN numa perda estraga todos os
# pesos. Com a soma e a contagem separadas, são simplesmente 0 e 0. É por isso que as perdas de `ift_lib` são um `LossSum(total,
# count)`.
#
# ## 8 Desloque uma vez, e só uma
#
# Nós deslocamos no collate. Muitos modelos também deslocam: os de `transformers`, quando recebem `labels`, comparam os logits da posição *t*
# com o rótulo em *t* + 1. Dê a um modelo desses rótulos já deslocados, e ele aprende a prever o token
# *depois do próximo*. O código roda, a perda cai, e o modelo escreve bobagem. Aconteceu dentro do próprio `transformers`,
# por exemplo no modelo Git ([PR 47395](https://github.com/huggingface/transformers/pull/47395)). Neste
# curso, modelos e perdas nunca deslocam.

# %%
print("lê          uma vez        duas vezes")
for place in range(len(prompts[0]) - 1, len(rows[0]) - 2):
    pieces = [tokenizer.decode([i]) for i in rows[0][place : place + 3]]
    print(f"{pieces[0]!r:<12}{pieces[1]!r:<15}{pieces[2]!r}")

# %% [markdown]
# O que diria a perda? Perguntamos ao pequeno GPT-2 [pré-treinado](../../book/pt-br/glossary.md#pretrained) deste curso (o capítulo 4 olha dentro dele) sobre frases curtas e
# comuns, uma vez com cada tipo de alvo.

# %%
from ift_lib import load_pretrained, plain_response_loss

model = load_pretrained("pocket")
sentences = [e.output for e in examples if e.category in ("story_ending", "summary")][:32]
ids = [tokenizer.encode_ordinary(sentence) for sentence in sentences]

once = twice = count = 0
with torch.no_grad():
    for row in ids:
        log_p = model(torch.tensor([row]))[0].log_softmax(dim=-1)
        for place in range(len(row) - 2):
            once -= log_p[place, row[place + 1]].item()
            twice -= log_p[place, row[place + 2]].item()
            count += 1
once, twice = once / count, twice / count

# %% tags=["approximate"]
print(f"deslocado uma vez:   {once:.1f} nats por token")
print(f"deslocado duas vezes: {twice:.1f} nats por token")

# %%
assert twice > once + 1
print("Com dois deslocamentos, nenhum erro aparece. Só a perda é maior: nats que você poria na conta do modelo.")

# %% [markdown]
# Um *[nat](../../book/pt-br/glossary.md#nat)* é a unidade dessa perda: 1 nat a menos significa que o modelo deu ao token certo uma probabilidade *e* ≈ 2,7 vezes
# maior.
#
# ## 9 Médias que mentem
#
# Suponha que um primeiro lote tenha respostas curtas, 2 tokens avaliados com perda média de 4,0, e que um segundo tenha respostas longas, 18
# tokens com média de 2,0. Qual é a perda média?

# %%
means, counts = [4.0, 2.0], [2, 18]
print("média das médias:   ", sum(means) / len(means))
print("soma sobre contagem:", sum(m * n for m, n in zip(means, counts, strict=True)) / sum(counts))

# %% [markdown]
# Na primeira linha, um token do lote curto pesa nove vezes mais do que um do lote longo. E o valor muda quando
# você agrupa os mesmos exemplos de outro jeito, embora nem o modelo nem os dados tenham mudado. Veja (`in_order` corta uma lista
# em lotes; `evaluate` soma as somas e as contagens):

# %%
from ift_lib import evaluate, in_order

some = [encode_example(e, PHI3) for e in examples[:48]]
mean_of_means, sum_over_count = {}, {}
for size in (1, 4, 16):
    batches = list(in_order(some, size))
    with torch.no_grad():
        means = [plain_response_loss(model, batch).mean for batch in batches]
    mean_of_means[size] = sum(means) / len(means)
    sum_over_count[size] = evaluate(model, batches).mean

# %% tags=["approximate"]
print("tam. lote   média/médias   soma/contag.")
for size in (1, 4, 16):
    print(f"{size:>10}   {mean_of_means[size]:>13.3f}   {sum_over_count[size]:>11.3f}")

# %%
assert max(sum_over_count.values()) - min(sum_over_count.values()) < 1e-3
assert max(mean_of_means.values()) - min(mean_of_means.values()) > 1e-2
print("Só soma / contagem não depende do tamanho do lote.")

# %% [markdown]
# O mesmo erro é pior no treino, onde lotes grandes são cortados em pequenos para poupar memória: tirava-se a média de cada lote
# pequeno e depois a média das médias, de modo que os tokens de respostas curtas contavam mais. Isso ficou em bibliotecas muito usadas
# até [outubro de 2024](https://huggingface.co/blog/gradient_accumulation). A cura é sempre a mesma: some as
# somas, some as contagens, divida uma vez só.
#
# ## 10 Longos demais e quase vazios
#
# O GPT-2 tem uma linha mais longa possível (capítulo 4), e a memória também tem um limite. Cortar o fim de uma linha faz perder o EOT e, com ele,
# a lição “agora pare”; um prompt que ocupa a linha inteira não deixa nada para avaliar. Por isso não cortamos: os exemplos que não
# cabem são relatados e deixados de fora.

# %%
from ift_lib import InputError, too_long

in_alpaca = [encode_example(e, ALPACA) for e in examples]
out = too_long(in_alpaca, 80)
print(f"{len(out)} de {len(in_alpaca)} exemplos têm mais de 80 entradas: números {out[:5]} …")
assert out == [number for number, e in enumerate(in_alpaca) if len(e.ids) - 1 > 80]

try:
    collate([in_alpaca[0]], max_length=30)
except InputError as error:
    print("InputError:", error)

# %% [markdown]
# O preenchimento custa tempo: o modelo o calcula e joga o resultado fora. `batch_order` coloca exemplos de tamanho parecido
# no mesmo lote e embaralha os lotes, para que cada [época](../../book/pt-br/glossary.md#epoch) continue tendo uma nova ordem aleatória. Quanto do que o
# modelo lê é preenchimento?

# %%
from ift_lib import batch_order

lengths = [len(e) - 1 for e in in_alpaca]


def padding_share(batches):
    places = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    return 1 - sum(lengths) / places


shuffled = random.Random(0).sample(range(len(lengths)), len(lengths))
plain = [shuffled[at : at + 8] for at in range(0, len(shuffled), 8)]
sorted_a_little = batch_order(lengths, 8, seed=0, epoch=0)
assert sorted(i for batch in sorted_a_little for i in batch) == list(range(len(lengths)))  # tudo uma vez
print(
    f"preenchimento em lotes de 8: embaralhados {padding_share(plain):.0%}, tamanhos parecidos juntos {padding_share(sorted_a_little):.0%}"
)

# %% [markdown]
# ## Exercícios
#
# Substitua o `...`, execute a célula e depois execute a verificação abaixo dela. A verificação diz o que está errado (em inglês), e você pode tentar
# quantas vezes quiser.

# %%
from ift_lib.course.checks import batching as checks

# %% [markdown]
# ### Exercício 1 · fácil · 5 min
#
# Antes do collate, conte: quantos alvos de uma linha são avaliados? A linha tem um prompt, uma resposta e um EOT. Escreva
# `count_graded`, que recebe os dois tamanhos (sem o EOT) e a opção `mask_prompt`.
#
# Esperado: `count_graded(14, 8, True)` é 9 e `count_graded(14, 8, False)` é 22.
#
# <details><summary>Dica</summary>Quantos ids tem a linha, no total? O primeiro deles nunca é um alvo. Com
# a máscara, só conta o que o modelo deve dizer.</details>


# %% tags=["exercise"]
def count_graded(prompt_length, response_length, mask_prompt): ...


# %% tags=["solution"]
def count_graded(prompt_length, response_length, mask_prompt):
    if mask_prompt:
        return response_length + 1  # a resposta e o seu EOT
    return prompt_length + response_length  # todos os ids menos o primeiro; o EOT está entre eles


# %%
checks.exercise_1(count_graded)

# %% [markdown]
# ### Exercício 2 · médio · 15 min
#
# **Quebre o código.** Alguém preenche também os alvos com EOT e depois mascara o preenchimento pelo id. Parece certo:


# %%
def mask_by_id(targets):
    targets = targets.clone()
    targets[targets == EOT] = IGNORE
    return targets


padded = torch.tensor([row[1:] + [EOT] * (width - len(row[1:])) for row in rows])  # preenchido com EOT
for number, prompt in enumerate(prompts):
    padded[number, : len(prompt) - 1] = IGNORE

print(
    "tokens avaliados:",
    (mask_by_id(padded) != IGNORE).sum(dim=1).tolist(),
    "e com collate:",
    (masked != IGNORE).sum(dim=1).tolist(),
)

# %% [markdown]
# **Veja o sintoma.** Treinamos do zero um GPT minúsculo com as nossas três linhas até ele as saber de cor, uma vez com cada
# tipo de alvo, e deixamos que ele responda ao primeiro prompt.

# %%
from ift_lib import GPT, GPTConfig, generate_ids


def learn_by_heart(inputs, targets, steps=80):
    tiny = GPT(GPTConfig(n_positions=64, n_embd=32, n_layer=2, n_head=2)).init_weights(torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(tiny.parameters(), lr=0.01)
    for _step in range(steps):
        loss = F.cross_entropy(tiny(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tiny


said = {}
for name, kind in {"collate": masked, "máscara pelo id": mask_by_id(padded)}.items():
    said[name] = generate_ids(learn_by_heart(inputs, kind), [prompts[0]], 30)[0]

# %% tags=["approximate"]
for name, new in said.items():
    print(f"{name}: {tokenizer.decode(new)!r}")

# %%
assert said["collate"] == [*responses[0], EOT]
assert EOT not in said["máscara pelo id"] and len(said["máscara pelo id"]) == 30
print("Com collate, o modelo responde e para. Com a máscara pelo id, ele nunca diz EOT: ninguém o ensinou a dizer.")

# %% [markdown]
# **Conserte.** Escreva `mask_padding(targets, lengths)`. A função recebe alvos (B, T) preenchidos com EOT e `lengths`,
# uma lista com o número de alvos de verdade de cada linha. Ela devolve um novo tensor com −100 onde estava o preenchimento e
# deixa como está o que recebeu. Cuidado com uma linha que foi cortada e não tem um EOT próprio.
#
# Esperado: para os alvos `[[7, EOT, EOT], [8, 9, EOT]]` e os tamanhos `[2, 3]`, o resultado é `[[7, EOT, -100], [8, 9,
# EOT]]`.
#
# <details><summary>Dica</summary>Percorra as linhas de uma cópia (<code>targets.clone()</code>) com um laço, ou compare
# <code>torch.arange(T)</code> com os tamanhos como coluna, de forma (B, 1). Você não precisa do valor de nenhum id.</details>


# %% tags=["exercise"]
def mask_padding(targets, lengths): ...


# %% tags=["solution"]
def mask_padding(targets, lengths):
    targets = targets.clone()
    for row, length in zip(targets, lengths, strict=True):
        row[length:] = IGNORE
    return targets


# %%
checks.exercise_2(mask_padding)

# %% [markdown]
# ### Exercício 3 · médio · 10 min
#
# Um arquivo de log guarda, para cada lote, a perda média e o número de tokens avaliados. Escreva `mean_loss(batches)`, que
# calcula a perda por token avaliado sobre todos eles. `batches` é uma lista de pares `(mean, count)`; um lote em que
# nada foi avaliado aparece ali como `(nan, 0)`.
#
# Esperado: `mean_loss([(4.0, 2), (2.0, 18)])` é 2.2.
#
# <details><summary>Dica</summary>Uma média vezes a sua contagem é uma soma. E nan * 0 é nan.</details>


# %% tags=["exercise"]
def mean_loss(batches): ...


# %% tags=["solution"]
def mean_loss(batches):
    total = sum(mean * count for mean, count in batches if count > 0)
    return total / sum(count for mean, count in batches)


# %%
checks.exercise_3(mean_loss)

# %% [markdown]
# ### Exercício 4 · difícil · 20 min
#
# Uma conversa tem vários turnos. É avaliado o que o assistente diz, e também o EOT que termina cada turno dele; o que o
# usuário diz nunca é avaliado, esteja onde estiver.
#
#     turns     [("user", [1, 2]), ("assistant", [3]), ("user", [4, 5]), ("assistant", [6])]
#     ids       1     2     3     EOT   4     5     6     EOT
#     inputs    1     2     3     EOT   4     5     6
#     targets   -100  3     EOT   -100  -100  6     EOT
#
# Escreva `to_row(turns)`, que devolve as duas listas `inputs, targets`. Os mesmos ids podem aparecer nos turnos dos dois,
# de modo que só o lugar diz de quem eles são. Os turnos não precisam se alternar, e
# o assistente pode falar primeiro.
#
# <details><summary>Dica</summary>Construa duas listas lado a lado: os ids e, para cada id, se ele é avaliado. Desloque
# as duas do mesmo jeito.</details>


# %% tags=["exercise"]
def to_row(turns): ...


# %% tags=["solution"]
def to_row(turns):
    ids, graded = [], []
    for speaker, said in turns:
        said = [*said, EOT] if speaker == "assistant" else said
        ids += said
        graded += [speaker == "assistant"] * len(said)
    targets = [i if yes else IGNORE for i, yes in zip(ids[1:], graded[1:], strict=True)]
    return ids[:-1], targets


# %%
checks.exercise_4(to_row)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("pt-br/03_batching")

# %% [markdown]
# ## Resumo
#
# * As entradas são todos os ids menos o último; os alvos, todos menos o primeiro: deslocados uma vez, em `collate`, e em nenhum outro lugar.
# * O preenchimento é EOT nas entradas e −100 nos alvos, pelo seu lugar; o EOT depois de uma resposta continua avaliado.
# * Com o prompt mascarado, são avaliados a resposta e o seu EOT: o último token do prompt já tem um alvo que conta.
# * Some perdas e contagens e divida uma vez; uma média de médias depende de como os lotes foram cortados.
# * O que não cabe é relatado e deixado de fora, nunca cortado em silêncio.
#
# ## Para onde ir agora
#
# O [capítulo 4](../04_loading.ipynb) (em inglês) abre o modelo que vai ler essas linhas. No código: `ift_lib/batching.py` (as suas primeiras
# doze linhas são este capítulo em forma de desenho), `ift_lib/loss.py` e `tests/test_traps.py`, números 1, 2, 3 e 11.
