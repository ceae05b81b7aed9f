# %% [markdown]
# # 1 Formatação
#
# **Você vai aprender** a transformar uma [instrução](../../book/pt-br/glossary.md#instruction) no texto exato, e nos [tokens](../../book/pt-br/glossary.md#token) exatos, com que se treina um modelo e com que depois se pergunta a ele:
# nos formatos Alpaca, Phi-3 e [ChatML](../../book/pt-br/glossary.md#chatml), com e sem [entrada](../../book/pt-br/glossary.md#input). E vai ver o que faz com eles um modelo que só passou pelo [pré-treino](../../book/pt-br/glossary.md#pretrained).
#
# **Você precisa** de Python e de um pouco de PyTorch.
#
# | para você | para a máquina | memória | rede |
# |---|---|---|---|
# | 80 min | 1 min | 0,7 GB | nenhuma |

# %% [markdown]
# ## 1 Um modelo base não responde
#
# Um *[modelo base](../../book/pt-br/glossary.md#base-model)* foi treinado para uma única tarefa: dizer como um texto continua. O [GPT-2](../../book/pt-br/glossary.md#gpt-2) *pocket* (“de bolso”), que vem com o pacote, é um deles; o capítulo 4 o abre
# para você ver por dentro. Vamos perguntar algo a ele. Ele lê *tokens*, números que representam pedaços de palavras; por isso, primeiro codificamos o texto e depois
# decodificamos a resposta. (Os textos do curso que passam pelo modelo estão em inglês, a língua em que ele foi treinado.)

# %%
import torch

from ift_lib import decode, generate_ids, get_tokenizer, load_pretrained

model = load_pretrained("pocket")
tokenizer = get_tokenizer()

texts = ["What is the opposite of hot?", "Write the plural of this word: leaf", "One day, a little girl"]
new = generate_ids(model, [tokenizer.encode_ordinary(text) for text in texts], 24)  # no máximo 24 tokens novos cada

# %% tags=["approximate"]
for text, ids in zip(texts, new, strict=True):
    print(f"{text!r}\n    continua: {decode(ids)!r}")

# %% [markdown]
# O terceiro texto recebe o que pedia: ele é o começo de uma história. Os dois primeiros também são continuados, e é só isso. Uma
# pergunta é um pedaço de texto como qualquer outro. O que vem depois dela num livro pode ser a resposta, mas também pode ser a próxima pergunta.

# %%
assert decode(new[0]).strip() != "The opposite of hot is cold."
assert "leaves" != decode(new[1]).strip().strip(".").lower()
print("O modelo continuou o texto. Não respondeu.")

# %% [markdown]
# O *[ajuste fino por instruções](../../book/pt-br/glossary.md#instruction-fine-tuning)* (*instruction fine-tuning*) mostra a um modelo base alguns milhares de pares de instrução e resposta, até que ele passe a continuar *com a resposta*. Para isso,
# cada par vira um único texto, e o texto precisa deixar claro onde a instrução termina e onde a resposta começa. Um *formato de [prompt](../../book/pt-br/glossary.md#prompt)*
# (ou *[template](../../book/pt-br/glossary.md#template)*) é só isso: uma moldura de palavras fixas em volta da instrução, sempre a mesma.
#
# ## 2 Os dados
#
# O pacote traz seu próprio conjunto de dados, um arquivo JSON. Aqui estão dois registros, como aparecem no arquivo:

# %%
import json

from ift_lib.data import EMBEDDED

entries = json.loads(EMBEDDED.read_text(encoding="utf-8"))
print(len(entries), "registros")
for number in (0, 1):
    print(json.dumps(entries[number], indent=1))

# %% [markdown]
# Quatro campos. Os três primeiros são os do [Alpaca](https://github.com/tatsu-lab/stanford_alpaca), que muitos conjuntos de dados adotaram:
#
# * `instruction`: o que fazer (a instrução);
# * `input`: o texto sobre o qual fazer (a entrada). Pode ficar vazio: "Name three trees" (“Diga o nome de três árvores”) não precisa de nenhum;
# * `output`: a resposta que queremos, também chamada de *[response](../../book/pt-br/glossary.md#response)*;
# * `category`: o tipo de tarefa, uma anotação nossa. O modelo nunca a vê; o capítulo 2 divide os dados por ela e o capítulo 7 calcula as notas por ela.
#
# `load_examples` lê o mesmo arquivo, tira os espaços das duas pontas dos textos, confere tudo e devolve objetos `Example`:

# %%
from ift_lib import Example, load_examples

examples = load_examples(EMBEDDED)
assert [vars(example) for example in examples] == entries  # no nosso arquivo não há nada a tirar
print(sum(example.input != "" for example in examples), "de", len(examples), "exemplos têm uma entrada")

with_input = next(e for e in examples if e.category == "plural" and e.input)
without_input = next(e for e in examples if e.category == "opposite" and not e.input)
print(with_input)
print(without_input)

# %% [markdown]
# ## 3 Alpaca, à mão
#
# O formato mais conhecido é o do Alpaca, de Stanford (2023). Ele diz em inglês simples o que vem a seguir e marca as partes com títulos:


# %%
def alpaca(example):
    text = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    text += f"\n\n### Instruction:\n{example.instruction}"
    if example.input:
        text += f"\n\n### Input:\n{example.input}"
    return text + "\n\n### Response:\n"


print(alpaca(with_input) + with_input.output)
print("-" * 40)
print(alpaca(without_input) + without_input.output)

# %% [markdown]
# Repare em duas coisas. Quando não há entrada, o título dela também some: um título vazio seria um segundo formato. E
# o texto que vem antes da resposta, o *prompt*, termina em exatamente uma quebra de linha; a seção 7 mostra por quê.
#
# `ift_lib.ALPACA` é o mesmo formato. Um template tem três métodos: `prompt`, `response` e `render`, que devolve os dois.

# %%
from ift_lib import ALPACA

assert all(ALPACA.render(example) == (alpaca(example), example.output) for example in examples)
print("igual em todos os", len(examples), "exemplos")

# %% [markdown]
# (O original de Stanford usa uma primeira frase mais longa quando há entrada. Também temos esse: é o `ALPACA_STANFORD`. Qual dos dois você escolhe importa
# pouco. Usar o mesmo no treino e depois dele importa muito.)
#
# ## 4 Phi-3 e ChatML
#
# Modelos de chat usam molduras mais curtas, feitas de marcadores que dizem de quem é a vez. O Phi-3, da Microsoft (2024), tem `<|user|>` e `<|assistant|>`:


# %%
def phi3(example):
    question = example.instruction
    if example.input:
        question += "\n" + example.input
    return "<|user|>\n" + question + "\n<|assistant|>\n"


print(phi3(with_input) + with_input.output)
print("-" * 40)
print(phi3(without_input) + without_input.output)

# %%
from ift_lib import PHI3

assert all(PHI3.render(example) == (phi3(example), example.output) for example in examples)
print("igual em todos os", len(examples), "exemplos")

# %% [markdown]
# A entrada não tem título: ela vem numa linha nova, como uma pessoa a digitaria. Na forma completa do Phi-3, o nosso `PHI3_END`, cada turno também é fechado por um
# marcador `<|end|>`. O *ChatML*, formato da OpenAI de 2023 e modelo para muitos outros, abre e fecha cada turno. Aqui está um exemplo em ChatML
# com a sua resposta, primeiro com entrada, depois sem. No exercício 1 é você quem escreve o formato.

# %%
from ift_lib import CHATML

for example in (with_input, without_input):
    prompt, response = CHATML.render(example)
    print(prompt + response)
    print("-" * 40)
print("só a resposta:", repr(response))

# %% [markdown]
# Aqui o formato tem uma parte de cada lado da resposta: ela é fechada por `<|im_end|>`.
#
# ## 5 Quanto custa uma moldura
#
# Nos modelos para os quais esses formatos foram feitos, um marcador como `<|user|>` é um token só, um número do [vocabulário](../../book/pt-br/glossary.md#vocabulary). O GPT-2 não conhece
# nenhum deles. Ele os soletra, como qualquer palavra rara, com os pedaços que tem:

# %%
markers = ["### Response:", "<|user|>", "<|assistant|>", "<|end|>", "<|im_start|>", "<|im_end|>"]
for marker in markers:
    ids = tokenizer.encode_ordinary(marker)
    print(f"{marker:<15}{len(ids)} tokens  {[tokenizer.decode([i]) for i in ids]}")

# %% [markdown]
# Para o GPT-2, portanto, um marcador não tem nada de especial: é só uma palavra esquisita que ele aprende durante o [ajuste fino](../../book/pt-br/glossary.md#fine-tuning). Há três consequências. A primeira: nenhum token sozinho
# quer dizer “o turno acabou”. A segunda: um marcador pode até dividir um token com o texto ao lado:

# %%
print([tokenizer.decode([i]) for i in tokenizer.encode_ordinary("It is sour.<|im_end|>")])

# %% [markdown]
# (`.<` é um único token do GPT-2. Isso não faz mal, desde que seja igual em todo lugar onde o formato é usado.) E a terceira: toda moldura tem seu preço em
# tokens, que são calculados, guardados e, perto do fim das 1.024 posições do GPT-2, fazem falta.

# %%
from ift_lib import TEMPLATES

print(f"{'formato':<16}{'moldura':>12}{'prompt, em média':>20}")
frame, average = {}, {}
for name, template in TEMPLATES.items():
    frame[name] = len(tokenizer.encode_ordinary(template.prompt(Example(""))))
    average[name] = sum(len(tokenizer.encode_ordinary(template.prompt(e))) for e in examples) / len(examples)
    print(f"{name:<16}{frame[name]:>12}{average[name]:>20.1f}")
assert min(frame, key=frame.get) == "phi3"

# %% [markdown]
# Nossas instruções são curtas; por isso, no Alpaca, mais da metade de um prompt médio é moldura:

# %%
share = frame["alpaca"] / average["alpaca"]
assert share > 0.5
print(f"{share:.0%} de um prompt médio no formato Alpaca")

# %% [markdown]
# ## 6 Como uma resposta termina
#
# O GPT-2 tem exatamente um [token especial](../../book/pt-br/glossary.md#special-token), o número 50256, escrito `<|endoftext|>` (fim do texto) e chamado aqui de *[EOT](../../book/pt-br/glossary.md#end-of-text)*. No pré-treino ele ficava entre dois textos. Nós
# o colocamos depois de cada resposta. É a única maneira de um modelo dizer “terminei”: quem gera o texto para ali.

# %%
from ift_lib import EOT

prompt, response = ALPACA.render(without_input)
ids = tokenizer.encode_ordinary(prompt) + tokenizer.encode_ordinary(response) + [EOT]
print("os últimos ids:", ids[-5:], " como texto:", [tokenizer.decode([i]) for i in ids[-5:]])

# %% [markdown]
# Um modelo que nunca vê o EOT depois de uma resposta nunca aprende a parar: ele responde e continua com mais um título, mais uma pergunta, uma
# história. No capítulo 3 você vai treinar um modelo assim.
#
# Repare que acrescentamos o *número*. E se o texto de alguém contiver as letras `<|endoftext|>`? Há duas maneiras de lê-las:

# %%
nasty = "What does <|endoftext|> mean?"
as_text = tokenizer.encode_ordinary(nasty)
as_markup = tokenizer.encode(nasty, allowed_special="all")
print("como texto:   ", [tokenizer.decode([i]) for i in as_text])
print("como marcação:", [tokenizer.decode([i]) for i in as_markup])

assert EOT not in as_text and EOT in as_markup

# %% [markdown]
# Lida como marcação, uma frase de um conjunto de dados corta ao meio o seu próprio exemplo, e um visitante de uma página de chat pode fazer o mesmo com uma conversa.
# Por isso: nunca se confia em texto como marcação. O conteúdo passa por `encode_ordinary`; os ids especiais são acrescentados como inteiros.
#
# ## 7 A emenda
#
# Codificamos o prompt e a resposta *separados*. Por que não o texto inteiro de uma vez? Porque os tokens do GPT-2 gostam de começar com um espaço. Veja um prompt
# que termina com um espaço, como é fácil digitar:


# %%
encode = tokenizer.encode_ordinary  # mais curto, daqui em diante


def pieces(text):
    return [tokenizer.decode([i]) for i in encode(text)]


print("juntos:   ", pieces("The capital of France is Paris"))
print("separados:", pieces("The capital of France is ") + pieces("Paris"))

# %% [markdown]
# Juntos, o espaço e a palavra são um token só, `' Paris'`; separados, são dois, e `'Paris'` é outro token, com outro número. O lugar onde o prompt
# e a resposta se encontram é a *[emenda](../../book/pt-br/glossary.md#seam)*. Quando um token passa por cima dela, surgem dois tipos de problema:
#
# * *Treinar com o texto junto:* não há nele um lugar onde o prompt termina. Quem esconde da [perda](../../book/pt-br/glossary.md#loss) os primeiros `len(encode(prompt))` tokens,
#   como faz o capítulo 3, esconde os tokens errados.
# * *Perguntar:* o modelo recebe `' '` como último token, e esse é um estado que ele quase nunca viu, porque em textos comuns o
#   espaço vem grudado na palavra seguinte. O exercício 3 mede quanto isso atrapalha.
#
# Que terminações são seguras? Vamos testar algumas:

# %%
print(f"{'fim do prompt':<14}{'resposta começa':<18}junto = separado")
for end, begin in [
    ("\n", "Paris"),
    ("\n", "4 cats"),
    ("\n", "- a list"),
    ("\n", " Paris"),
    ("\n", "    return 1"),
    ("\n", "\n\nParis"),
    ("\n\n", "Paris"),
    ("Answer: ", "Paris"),
    ("Answer:", " Paris"),
    ("Answer:", "Paris"),
]:
    prompt = f"What is it?\n{end}" if end.strip() else f"What is it?{end}"
    same = encode(prompt + begin) == encode(prompt) + encode(begin)
    print(f"{end!r:<14}{begin!r:<18}{'sim' if same else 'NÃO'}")

# %% [markdown]
# Uma única quebra de linha é um bom fim, desde que a resposta não comece com outras. É por isso que todos os nossos templates
# terminam em exatamente uma quebra de linha (outro fim é recusado) e que `load_examples` tira os espaços das pontas das respostas. Com os nossos dados e formatos, a emenda fica limpa:

# %%
from ift_lib import Template

crossed = 0
for template in TEMPLATES.values():
    for example in examples:
        prompt, response = template.render(example)
        crossed += encode(prompt + response) != encode(prompt) + encode(response)
print(f"tokens por cima da emenda: {crossed}, em {len(TEMPLATES)} formatos e {len(examples)} exemplos")

try:
    Template("mine", "Question: {instruction}\nAnswer: ", "{instruction}\n{input}\nAnswer: ", "", "")
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## 8 Uma função só, para treinar e para perguntar
#
# `encode_example` faz tudo isso: prompt e resposta separados, EOT no fim, e ela se lembra de onde o prompt termina. Quando se pergunta algo ao modelo
# já treinado, `encode_prompt` dá os ids a partir dos quais ele deve continuar. As duas usam o mesmo template; assim, esses ids são os mesmos do treino, token por token:

# %%
from ift_lib import encode_example, encode_prompt

for template in TEMPLATES.values():
    for example in examples[:500]:
        encoded = encode_example(example, template)
        prompt, response = template.render(example)
        assert list(encoded.ids) == encode(prompt) + encode(response) + [EOT]
        assert list(encoded.ids[: encoded.prompt_length]) == encode_prompt(example, template)
print("à mão = encode_example, e o treino começa como a pergunta")

# %% [markdown]
# Parece óbvio demais para precisar de teste. Mas duas funções, uma para cada finalidade, vão se afastando uma da outra: aqui está um par como se encontra por aí. O treino usa o Alpaca inteiro; a pergunta
# para antes do último título e espera que o modelo o escreva:


# %%
def training_text(example):
    return alpaca(example) + example.output


def asking_text(example):
    return alpaca(example).removesuffix("\n\n### Response:\n")


full, asked = training_text(without_input), asking_text(without_input)
print("o modelo recebe:           …", repr(asked[-40:]))
print("no treino vem em seguida:   ", repr(full[len(asked) :][:20]), "e só depois a resposta")

# %% [markdown]
# Com a perda sobre o texto inteiro, isso funciona, porque o modelo também aprende a escrever títulos, que depois é preciso cortar. Com a perda só sobre
# a resposta (capítulo 3), ninguém nunca ensinou o modelo a escrever `### Response:`; assim, perguntamos a ele num estado em que ele não sabe resposta nenhuma. E nenhum erro aparece.
#
# ## 9 Olhe de perto
#
# O explorador de templates mostra um exemplo em tokens, cada um com a cor da parte a que pertence. Digite a sua própria instrução (em inglês, de preferência) e experimente:
#
# * os cinco formatos: qual moldura é a mais curta? Qual cresce mais quando há uma entrada?
# * uma entrada vazia: o que desaparece?
# * um token que contém duas partes (uma caixa pontilhada e grossa): quais formatos têm um, e quando?
# * `<|user|>`, `<|endoftext|>` ou `<script>` como instrução: continua sendo texto;
# * uma palavra em outro alfabeto, ou um emoji: letras que o GPT-2 soletra byte a byte.

# %% tags=["widget"]
from ift_lib.course.widgets import template_explorer

template_explorer()

# %% [markdown]
# O mesmo desenho sem os campos, como o explorador começa, e a prova de que ele mostra os tokens de `encode_example`:

# %%
from ift_lib.course.widgets import template_picture

for template in TEMPLATES.values():
    shown = [token.id for token in template_picture(with_input, template).tokens]
    assert shown == list(encode_example(with_input, template).ids)
template_picture()

# %% [markdown]
# ## 10 Um formato faz um modelo base responder?
#
# Agora podemos perguntar direito. `respond` monta o texto, codifica, gera até o EOT e decodifica. Primeiro duas perguntas em cada formato; depois dezesseis, contando as
# respostas certas:

# %%
from ift_lib import respond

two, sixteen = [with_input, without_input], examples[:16]
said = {name: respond(model, two, template, max_new_tokens=20) for name, template in TEMPLATES.items()}
right = {}
for name, template in TEMPLATES.items():
    answers = respond(model, sixteen, template, max_new_tokens=20)
    right[name] = sum(a.text == e.output for a, e in zip(answers, sixteen, strict=True))

# %% tags=["approximate"]
for name, responses in said.items():
    print(f"{name}: {right[name]} de {len(sixteen)} certas")
    for example, answer in zip(two, responses, strict=True):
        print(f"    esperado {example.output!r}, obtido {answer.text[:60]!r}")

# %%
assert max(right.values()) < len(sixteen) / 2
print("Em nenhum formato o modelo base responde nem à metade dessas perguntas simples.")

# %% [markdown]
# Um formato é uma convenção, e ninguém a contou ao modelo base. A partir do capítulo 5 é você quem conta: alguns milhares de textos em um só
# formato, e o mesmo modelo começa a responder, naquele formato.
#
# ## Exercícios
#
# Substitua o `...`, execute a célula e depois execute a verificação abaixo dela. A verificação diz o que está errado (em inglês), e você pode tentar quantas vezes quiser.

# %%
from ift_lib.course.checks import formatting as checks

# %% [markdown]
# ### Exercício 1 · fácil · 8 min
#
# Escreva `chatml_prompt(instruction, input)`, que devolve o texto que vem antes da resposta em ChatML. A seção 4 mostra o formato e o que acontece quando há uma
# entrada. Uma entrada vazia não deixa vestígio. O prompt termina com o cabeçalho do turno do assistente e uma quebra de linha.
#
# Esperado: `chatml_prompt("Say hi.", "")` é `"<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\n"`.
#
# <details><summary>Dica</summary>Primeiro junte a instrução e a entrada, com um <code>if</code>; aí a moldura em volta delas é a mesma nos dois casos. Junte as
# linhas com \n em vez de usar aspas triplas: estas manteriam a sua indentação.</details>


# %% tags=["exercise"]
def chatml_prompt(instruction, input): ...


# %% tags=["solution"]
def chatml_prompt(instruction, input):
    question = f"{instruction}\n{input}" if input else instruction
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


# %%
checks.exercise_1(chatml_prompt)

# %% [markdown]
# ### Exercício 2 · médio · 10 min
#
# Escreva `to_ids(prompt, response)`. A função recebe dois textos e devolve duas coisas: a lista de todos os ids, pronta para o treino, e quantos desses ids pertencem
# ao prompt. Use o `tokenizer` (ou o `encode`) e o `EOT` de antes. Os textos podem conter qualquer coisa, até `<|endoftext|>`.
#
# Esperado: `to_ids("Say hi.\n", "Hi!")` é `([25515, 23105, 13, 198, 17250, 0, 50256], 4)`.
#
# <details><summary>Dica</summary>Seções 6 e 7: codifique cada texto separado, como texto e não como marcação, e acrescente o fim como número.</details>


# %% tags=["exercise"]
def to_ids(prompt, response): ...


# %% tags=["solution"]
def to_ids(prompt, response):
    prompt_ids = encode(prompt)
    return prompt_ids + encode(response) + [EOT], len(prompt_ids)


# %%
checks.exercise_2(to_ids)

# %% [markdown]
# ### Exercício 3 · médio · 15 min
#
# **Quebre o código.** Pegamos frases dos dados, cortamos cada uma ao meio e deixamos o modelo dizer com que força ele espera a segunda metade, em *[nats](../../book/pt-br/glossary.md#nat)*: 0 seria “eu
# sabia cada token”, e 1 nat a mais significa que ele deu às palavras certas uma probabilidade menor por um fator *e*, cerca de 2,7. Uma vez cortamos antes do
# espaço e outra vez depois dele, onde termina um prompt que alguém digitou com um espaço a mais. O texto é o mesmo.

# %%
endings = [e.output for e in examples if e.category in ("story_ending", "summary")]
sentences = [ending for ending in endings if len(ending.split()) >= 6][:30]


def nats(prompt, response):
    start = len(encode(prompt))
    ids = encode(prompt) + encode(response)
    with torch.no_grad():
        log_p = model(torch.tensor([ids]))[0].log_softmax(dim=-1)
    return -sum(log_p[place - 1, ids[place]].item() for place in range(start, len(ids)))


before_the_space = after_the_space = 0
for sentence in sentences:
    words = sentence.split()
    first, second = " ".join(words[:3]), " ".join(words[3:])
    before_the_space += nats(first, " " + second) / len(sentences)
    after_the_space += nats(first + " ", second) / len(sentences)

# %% [markdown]
# **Veja o sintoma.**

# %% tags=["approximate"]
print(f"corte antes do espaço:  {before_the_space:.0f} nats para cada segunda metade")
print(f"corte depois do espaço: {after_the_space:.0f} nats")
starts = ["Once upon a time there was a", "Once upon a time there was a "]
for start, ids in zip(starts, generate_ids(model, [encode(s) for s in starts], 12), strict=True):
    print(f"{start!r} continua: {decode(ids)!r}")

# %%
assert after_the_space > before_the_space + 1
print("Um espaço no fim do prompt torna as mesmas palavras muito menos prováveis.")

# %% [markdown]
# **Conserte.** Escreva `mend(prompt, response)`, que devolve os dois textos cortados num lugar melhor: `prompt + response` é igual a antes, as palavras ficam do
# seu lado, e codificar separado dá os mesmos tokens que codificar junto. Só espaços em branco podem mudar de lado.
#
# Esperado: `mend("The capital of France is ", "Paris.")` é `("The capital of France is", " Paris.")`.
#
# <details><summary>Dica</summary>O espaço em branco pertence ao que vem depois dele. <code>rstrip()</code> diz quanto sobra do prompt sem os espaços em branco do fim; quebras de linha e tabulações também contam.</details>


# %% tags=["exercise"]
def mend(prompt, response): ...


# %% tags=["solution"]
def mend(prompt, response):
    end = len(prompt.rstrip())
    return prompt[:end], prompt[end:] + response


# %%
checks.exercise_3(mend)

# %% [markdown]
# ### Exercício 4 · difícil · 20 min
#
# Um template também pode ser um texto com *lacunas*, `{instruction}` e `{input}`, que são preenchidas com os textos. Aqui está a primeira versão que todo mundo escreve, e uma
# pergunta a que ela não sobrevive:


# %%
def careless_fill(template, instruction, input):
    return template.replace("{instruction}", instruction).replace("{input}", input)


print(careless_fill("Q: {instruction}\n{input}\nA:\n", "What does {input} mean in a template?", "I saw it in a file."))

# %% [markdown]
# Escreva `fill(template, instruction, input)`, que preenche cada lacuna uma vez e não mexe em mais nada. As lacunas podem aparecer em qualquer ordem; a lacuna da
# entrada pode faltar (e então a entrada é vazia). Textos e templates podem conter outras chaves, barras invertidas, qualquer coisa.
#
# Esperado: `fill("{input}: {instruction}\n", "What is {input}?", "a {b}")` é `"a {b}: What is {input}?\n"`.
#
# <details><summary>Dica</summary>Corte o template nas lacunas antes de colocar qualquer coisa nelas. <code>re.split</code> com um grupo entre parênteses guarda aquilo em que corta:
# <code>re.split(r"(a|b)", "1a2b3")</code> é <code>["1", "a", "2", "b", "3"]</code>.</details>


# %% tags=["exercise"]
def fill(template, instruction, input): ...


# %% tags=["solution"]
import re


def fill(template, instruction, input):
    texts = {"{instruction}": instruction, "{input}": input}
    cut = re.split(r"(\{instruction\}|\{input\})", template)
    return "".join(texts.get(piece, piece) for piece in cut)


# %%
checks.exercise_4(fill)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("pt-br/01_formatting")

# %% [markdown]
# ## Resumo
#
# * Um modelo base continua um texto; um formato marca onde a instrução termina e a resposta começa, e é o treino que lhe dá significado.
# * A moldura sem entrada é diferente da moldura com entrada, e para o GPT-2 cada marcador custa vários tokens comuns.
# * O EOT, número 50256, termina toda resposta; o texto passa por `encode_ordinary` e nunca vira marcação.
# * Os prompts terminam em uma quebra de linha e são codificados separados da resposta, para que nenhum token passe por cima da emenda.
# * Uma função só monta os textos, para o treino e para a pergunta.
#
# ## Para onde ir agora
#
# O [capítulo 2](02_splitting.ipynb) olha para os próprios exemplos: em quais confiar e quais guardar para o teste. No código:
# `ift_lib/templates.py`, `ift_lib/encoding.py`, `tests/test_templates.py` e `tests/test_encoding.py`.
