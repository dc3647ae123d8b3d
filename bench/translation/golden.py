"""Writes evaluate/testdata/translation.json: sentences, and what sacreBLEU makes of them. See README.md."""
import json
import sys

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

AWKWARD = [  # hypothesis, reference
    ("Ein Mann mit einem Hut.", "Ein Mann mit einem Hut."),
    ("", "Ein Mann."),
    ("Ein Mann.", ""),
    ("", ""),
    ("ja", "nein"),
    ("a", "a"),
    ("Der Preis ist 3,50 Euro, nicht 1.000!", "Der Preis beträgt 3,50 Euro, nicht 1.000!"),
    ("pages 10-20 and well-known", "pages 10 - 20 and well - known"),
    ("&quot;Hallo&quot; &amp; &lt;tschüss&gt; &amp;lt;", '"Hallo" & <tschüss> &lt;'),
    ("a-\nb <skipped>c\nd", "ab c d"),
    ("  viele   Leer\u00a0zeichen\u2003 ", "viele Leer zeichen"),
    ("日本語の文。 混ぜる text", "日本語の 文。 混ぜた text"),
    ("the the the the the the the", "the cat is on the mat"),
    ("...,,,...", ".,."),
    ("1.,2 3.a .5 a.5 5. ,", "1. , 2 3 . a . 5"),
    ("it's don't 'quoted' `tick` ~ ^ _ {x} [y] |z|", "it 's do n't ' quoted ' ` tick `"),
    ("emoji 👩‍👩‍👧 é é", "emoji 👩‍👩‍👧 é é"),
    ("a\x1cb\x85c\u200bd", "a b c d"),
    ("ÀÉÎ groß GROSS", "àéî gross GROß"),
    ("x" * 50, "x" * 40 + "y"),
    ("one two three four", "one two three four five six seven eight nine"),
]


REAL = [
    "Der Zug nach München fährt heute um 14:35 Uhr von Gleis 7 ab.",
    "Zwei Kinder spielen im Garten, während ihr Großvater die Zeitung liest.",
    "Eine Frau in einem blauen Kleid überquert die Straße.",
    "Im Jahr 2019 wurden rund 1.250.000 Fahrräder verkauft, 3,5 % mehr als im Vorjahr.",
    "„Ich komme gleich“, sagte er, „aber warte nicht auf mich!“",
    "The well-known author signed copies of her book (the third this year).",
    "Am Ufer des Flusses steht ein alter Baum, dessen Äste bis ins Wasser reichen.",
    "Die U-Bahn war so voll, dass niemand mehr einsteigen konnte.",
    "Bitte schicken Sie Ihre Unterlagen an info@example.org oder an Postfach 12-34.",
    "Nach dem Regen roch die Luft frisch, und die Vögel begannen zu singen.",
    "Der Hund bellt, die Katze schläft und der Mann kocht Suppe.",
    "Niemand weiß genau, wann das Schloss gebaut wurde; vermutlich um 1400.",
]


def corpus(name, pairs):
    hypotheses, references = [p[0] for p in pairs], [p[1] for p in pairs]
    return {
        "name": name, "hypotheses": hypotheses, "references": references,
        "bleu": BLEU().corpus_score(hypotheses, [references]).score,
        "chrf": CHRF().corpus_score(hypotheses, [references]).score,
    }


def main():
    # No model is needed for imperfect translations: the words of a sentence are cut and reordered by a fixed rule.
    real = []
    for i, row in enumerate(REAL):
        words = row.split()
        if i % 3 == 0:
            words[1:3] = words[1:3][::-1]
        if i % 4 == 1:
            words = words[: len(words) * 3 // 4]
        if i % 5 == 2:
            words += REAL[(i + 1) % len(REAL)].split()[:3]
        real.append((" ".join(words), row))
    corpora = [corpus("sentences", real), corpus("awkward", AWKWARD), corpus("equal", [(b, b) for _, b in real[:3]])]
    corpora += [corpus(f"awkward {i}", [pair]) for i, pair in enumerate(AWKWARD)]
    tokens = [{"text": t, "words": Tokenizer13a()(t.rstrip()).split()} for pair in AWKWARD for t in pair]
    json.dump({"sacrebleu": sacrebleu.__version__, "corpora": corpora, "tokens": tokens}, open(sys.argv[1], "w"),
              ensure_ascii=True, indent=1)


main()
