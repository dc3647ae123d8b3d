"""Small tokenizers that show what one component does.

Two models make it visible. In "words" every word becomes one unknown token, so that the offsets tell where the
pre-tokenizer cut. In "bytes" every character becomes the tokens of its bytes, so that the ids tell what the
normalizer wrote.
"""

from texts import texts

WORDS = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "vocab": {"<unk>": 0}, "merges": []}
BYTES = {
    "type": "BPE", "unk_token": "<unk>", "fuse_unk": False, "byte_fallback": True, "merges": [],
    "vocab": {"<unk>": 0, **{f"<0x{b:02X}>": b + 1 for b in range(256)}},
}
# A model with everything at once: bytes for some characters only, unknown ones, and merges over both.
MIXED = {
    "type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
    "vocab": {t: i for i, t in enumerate(["<unk>", "a", "b", "c", " ", "é", "<0xC3>", "<0xA0>", "ab", "abc", "bc", " a", "<0xC3><0xA0>", "a<unk>"])},
    "merges": [["b", "c"], ["a", "b"], ["ab", "c"], [" ", "a"], ["<0xC3>", "<0xA0>"], ["a", "<unk>"]],
}


def spec(model, **parts):
    return {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None,
            "decoder": None, "model": model, **parts}


def added(id, content, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False, **flags}


def split(expression, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: expression}, "behavior": behavior, "invert": invert}


EXPRESSIONS = [
    r"\s+", r"\S+", r"\w+", r"\W+", r"\d{2,3}", r"\p{L}+|\p{N}+", r"[^\s\p{L}\p{N}]+", r"\p{Lu}\p{Ll}*", r"\p{M}+", r"\p{Han}",
    r"\p{P}+", r"\p{S}", r"(?i:the|AND|ss|k)", r"(?i)[a-f]+|straße", r"\bx?", r"^.", r".$", r"(?m)a.b", r"\Z", r"\s+$", r"[[:alpha:]]+|[[:punct:]]+",
    r"[[:upper:]]+[[:lower:]]*", r"[^[:space:]&&[^a-m]]+", r"a*", r"(?=\d)", r"(?<=[a-z])(?=[A-Z0-9])", r"(?<!\S)\S", r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
    r"(?:ab|a)(?:c|bcd)?+", r"\p{L}++x?", r"x{2}", r"a{,2}b", r"(?<year>\d+)-", r"[\-\]\\x]+", r"\x41|\u00e9|\x{1F600}", r"[一-龥぀-ゟ゠-ヿ]+", r"\h+", r"\p{^L}+", r"\P{L}",
    # DeepSeek, o200k (GPT-4o, Llama 4), Qwen 3.5, cl100k with possessive quantifiers
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def every_character():
    """Texts that hold every character once, between letters, so that neighbours do not matter."""
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    return ["a".join(map(chr, codes[i:i + 512])).encode() for i in range(0, len(codes), 512)]


def marks():
    """Texts with every character between other combining marks, to compare their classes and compositions."""
    codes = [code for code in range(0x300, 0x1F000) if not 0xD800 <= code < 0xE000 and not 0x3400 <= code < 0xA000]
    return ["".join(f"e{chr(code)}\u0327{chr(code)}\u0301 " for code in codes[i:i + 256]).encode() for i in range(0, len(codes), 256)]


def cases(seed, count):
    """Yields (name, tokenizer.json, texts, whether offsets must be equal)."""
    some = texts(seed, count, ["<s>", "<x>"], "/nowhere")
    every = every_character()
    short = some[:count // 4]
    for kind in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]:
        yield f"normalizer-{kind}", spec(BYTES, normalizer={"type": kind}), some + every + marks(), False
    for i, normalizer in enumerate([
        {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Prepend", "prepend": "▁x"}, {"type": "Replace", "pattern": {"String": "  "}, "content": "▁"},
        {"type": "Replace", "pattern": {"Regex": r"\s{2,}|é"}, "content": " "},
        {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
    ]):
        yield f"normalizer-{i}", spec(BYTES, normalizer=normalizer), some, False
    simple = [{"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False}, {"type": "Whitespace"},
              {"type": "WhitespaceSplit"}, {"type": "Punctuation"}, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}]
    for i, pre in enumerate(simple):
        yield f"pre-tokenizer-{i}", spec(WORDS, pre_tokenizer=pre), some + every, True
    for behavior in BEHAVIORS:
        yield f"punctuation-{behavior}", spec(WORDS, pre_tokenizer={"type": "Punctuation", "behavior": behavior}), short, True
        for invert in [False, True]:
            yield f"split-{behavior}-{invert}", spec(WORDS, pre_tokenizer=split(r"\s|[a-e]+", behavior, invert)), some, True
            yield f"split-empty-{behavior}-{invert}", spec(WORDS, pre_tokenizer=split(r"a*", behavior, invert)), short, True
            yield f"split-string-{behavior}-{invert}", spec(WORDS, pre_tokenizer=split(" ", behavior, invert, "String")), short, True
    for i, expression in enumerate(EXPRESSIONS):
        yield f"expression-{i}", spec(WORDS, pre_tokenizer=split(expression)), short, True
    for i, expression in enumerate([r"\s", r"\w", r"\d", r"\p{L}", r"\p{M}", r"\p{N}", r"\p{P}", r"\p{S}", r"\p{Lu}", r"\p{Ll}", r"\p{Mn}", r"\p{Cn}", r"[[:alpha:]]", r"[[:punct:]]",
                                    r"[[:upper:]]", r"[[:lower:]]", r"[[:word:]]", r"\p{Punct}", r"\p{Han}", r"\p{Latin}", r"\p{Cyrillic}", r"\p{Arabic}", r"(?i:[s-t])", r"(?i:k)"]):
        yield f"class-{i}", spec(WORDS, pre_tokenizer=split(expression)), every, True
    for scheme in ["always", "first", "never"]:
        for cut in [True, False]:
            pre = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}
            tokens = [added(257, "<s>"), added(258, "<x>")]
            yield f"metaspace-{scheme}-{cut}", spec(BYTES, added_tokens=tokens, pre_tokenizer=pre, decoder=pre), some, True
            yield f"metaspace-words-{scheme}-{cut}", spec(WORDS, pre_tokenizer=pre), short, True
    yield "mixed", spec(MIXED), [t for t in some] + [s.encode() for s in ["aé\u00e0b", "ab\u4e00\u00e0\u4e01abc", "à à", "abcabc aab", "a語a", "語à語a語"]], False
    yield "mixed-unfused", spec({**MIXED, "fuse_unk": False}), some, False
    yield "no-unknown", spec({**MIXED, "unk_token": None, "byte_fallback": False}), some, False
    lower = {"type": "Lowercase"}
    for i, (flags, normalizer) in enumerate([
        ({}, None), ({"lstrip": True}, None), ({"rstrip": True}, None), ({"lstrip": True, "rstrip": True, "special": True}, None),
        ({"single_word": True}, None), ({"normalized": True}, lower), ({"normalized": True, "special": True, "single_word": True}, lower),
        ({"normalized": True, "special": True}, {"type": "Prepend", "prepend": "▁"}),
    ]):
        tokens = [added(257 + k, content, **flags) for k, content in enumerate(["<s>", "<S>x", "x", "xx", "The", "é", "12", " a"])]
        if normalizer == lower:
            tokens = [t for t in tokens if t["content"] != "<S>x"]
            for k, token in enumerate(tokens):
                token["id"] = 257 + k
        inputs = texts(seed + i, count, ["<s>", "<S>x", "<s>x", "xxx", " <s>  ", "The", "THE", "\n<s>\t", "12x"], "/nowhere")
        yield f"added-{i}", spec(BYTES, added_tokens=tokens, normalizer=normalizer), inputs, normalizer is None
    fallback = {"type": "ByteFallback"}
    strip = {"type": "Strip", "content": "A", "start": 2, "stop": 0}
    for i, decoder in enumerate([fallback, {"type": "Fuse"}, {"type": "Sequence", "decoders": [fallback, {"type": "Fuse"}, strip]}, strip, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
                                 {"type": "Replace", "pattern": {"String": "<"}, "content": "!"}, {"type": "Replace", "pattern": {"Regex": "0x[0-9A]"}, "content": "!"}]):
        yield f"decoder-{i}", spec(BYTES, decoder=decoder), short, True
