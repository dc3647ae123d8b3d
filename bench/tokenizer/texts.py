"""Texts that make tokenizers differ: real ones, and random ones from every corner of Unicode."""

import json
import pathlib
import random

SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
POOLS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    "0123456789²³¹¼½٠١٢३४五Ⅷ⅓①𝟘𝟙",
    " ", "  ", "\n", "\r\n", "\t", SPACES,
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "«»¿¡§¶†‡•…‰′″‹›※⁂–—‐‘’“”、。「」！？",
    "àáâãäåæçèéêëìíîïñòóôõöøùúûüýþÿßœšžĳŉſﬀﬁﬂﬅﬆ",
    "\u0300\u0301\u0302\u0308\u030a\u0323\u0327\u0328\u0338\u0345\u05b0\u064b\u093c\u0e38\u1dc0\u20dd\ufe0f",
    "абвгдежзийклмнопрстуфхцчшщъыьэюяЀЁЂѓѣ", "αβγδεζηθικλμνξοπρστυφχψωΆΈΐΰς", "אבגדהוזחטיךכל", "ابةتثجحخدذرزسش",
    "कखगघङचछजझञटठडढणतथदधनि", "กขฃคฅฆงจฉชซฌญ", "한국어각갂갃", "\u1100\u1161\u11a8\u1102\u1162\u11ab", "日本語中文字漢字簡体",
    "ひらがなカタカナ゛゜ｱｲｳﾞﾟ", "😀😁👍🏽👩‍👩‍👧‍👦🇩🇪🏳️‍🌈❤️", "∀∂∈ℝ∧∪≡∞←↑→↓⇒⇔√∑∫≤≥", "ÅΩKÅﬃ™℡㎏Ⅷ㈱",
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u2066", "\x00\x01\x1f\x7f\x80\x9f", "▁Ġ�ĊÂ",
]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'vE", "'LL", "'ſ", "'l", "'r", "’s"]
WORDS = "The the and of to in for that with on It's we're don't 3.14 1,000 12345678 2024-01-31 x=y f(x) http://a.b/c?d=e".split()


def random_text(rng, added):
    parts = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.45:
            pool = rng.choice(POOLS)
            parts.append("".join(rng.choice(pool) for _ in range(rng.randint(1, 6))))
        elif kind < 0.60:
            parts.append(rng.choice(WORDS))
        elif kind < 0.68:
            parts.append(rng.choice(CONTRACTIONS))
        elif kind < 0.76:
            parts.append(rng.choice(["", " ", "\n", "x", " x"]) + rng.choice(added) if added else "<s>")
        elif kind < 0.84:
            parts.append("".join(rng.choice(SPACES[:6] + " \n ") for _ in range(rng.randint(1, 8))))
        elif kind < 0.92:
            parts.append("".join(any_character(rng) for _ in range(rng.randint(1, 4))))
        elif kind < 0.97:
            parts.append(rng.choice("a\u0301 \n=-9.é語") * rng.randint(1, 70))
        else:
            parts.append(chr(rng.choice([0x1E5D0, 0x2EBF0, 0x10D40, 0x11380, 0x1CD00, 0x1FAE9, 0x897, 0x1C89, 0x11DE1])))
    return "".join(parts)


def any_character(rng):
    while True:
        code = rng.choice([rng.randrange(0x3000), rng.randrange(0x20000), rng.randrange(0x110000)])
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def real_texts(data):
    """All texts of the training sets under a directory, in the order of their names."""
    texts = []
    for path in sorted(pathlib.Path(data).rglob("*.json")):
        rows = json.loads(path.read_text())
        for row in rows if isinstance(rows, list) else []:
            texts.append("\n".join(str(value) for value in row.values()) if isinstance(row, dict) else str(row))
    return texts


def texts(seed, count, added, data):
    """count texts as bytes: random ones, real ones, cut and joined real ones, and broken UTF-8."""
    rng = random.Random(seed)
    real = real_texts(data)
    out = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.7 or not real:
            text = random_text(rng, added).encode()
        elif kind < 0.8:
            text = rng.choice(real).encode()
        elif kind < 0.9:
            first, second = rng.choice(real), rng.choice(real)
            text = (first[rng.randrange(len(first) + 1):][:200] + random_text(rng, added) + second[:200]).encode()
        else:
            text = bytearray(random_text(rng, added).encode())
            for _ in range(rng.randint(1, 5)):
                at = rng.randrange(len(text) + 1)
                text[at:at + rng.randint(0, 2)] = bytes(rng.choice([0x80, 0xBF, 0xC2, 0xE2, 0xED, 0xF0, 0xF4, 0xFF, 65]) for _ in range(rng.randint(1, 3)))
            text = bytes(text)
        out.append(text)
    return out
