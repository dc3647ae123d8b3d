package evaluate

import (
	"math"
	"regexp"
	"strings"
	"unicode"
)

// A TranslationScore compares sentences with one reference each. Both scores are those of the whole corpus, from 0 to 100,
// and equal to sacreBLEU's with its defaults (signatures nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp and
// nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no). The standard errors are those of resampled corpora, see [resample].
type TranslationScore struct {
	BLEU              float64 `json:"bleu"`
	BLEUStandardError float64 `json:"bleu_standard_error"`
	ChrF              float64 `json:"chrf"`
	ChrFStandardError float64 `json:"chrf_standard_error"`
}

// Translation scores hypotheses against references, sentence by sentence.
func Translation(hypotheses, references []string) TranslationScore {
	bleu, chrf := translationCounts(hypotheses, references)
	s := TranslationScore{BLEU: total(bleu).score(), ChrF: total(chrf).score()}
	s.BLEUStandardError = resample(len(bleu), func(rows []int) float64 { return total(pick(bleu, rows)).score() })
	s.ChrFStandardError = resample(len(chrf), func(rows []int) float64 { return total(pick(chrf, rows)).score() })
	return s
}

// BLEU is the score of a corpus: the geometric mean of the precisions p_n of word n-grams of 1 to 4 words (matches clipped
// to the reference's count), times the penalty exp(1 - r/h) where the h words of the hypotheses are fewer than the r of
// the references. A precision without matches is 1/2^k over its number of n-grams, for the k-th such n. (Papineni et al.,
// BLEU, ACL 2002; Post, A Call for Clarity in Reporting BLEU Scores, WMT 2018; smoothing 3 of Chen and Cherry, 2014)
func BLEU(hypotheses, references []string) float64 {
	bleu, _ := translationCounts(hypotheses, references)
	return total(bleu).score()
}

// ChrF is chrF2 of a corpus: the F-score with β = 2, recall counting twice as much as precision, of the means over n of the
// precision and recall of character n-grams of 1 to 6 characters without white space. Orders that one side has no n-gram
// of are left out of the means. (Popović, chrF: character n-gram F-score for automatic MT evaluation, WMT 2015)
func ChrF(hypotheses, references []string) float64 {
	_, chrf := translationCounts(hypotheses, references)
	return total(chrf).score()
}

const (
	bleuOrder = 4
	chrfOrder = 6
)

// bleuCounts is what BLEU needs to know of a sentence, or of many: sums of such counts are those of a corpus.
type bleuCounts struct {
	hypothesis, reference int // words
	matches, ngrams       [bleuOrder]int
}

// chrfCounts is the same for chrF.
type chrfCounts struct {
	hypothesis, reference, matches [chrfOrder]int // n-grams
}

// counts are statistics of sentences that add up.
type counts[T any] interface {
	plus(T) T
	score() float64
}

func translationCounts(hypotheses, references []string) (bleu []bleuCounts, chrf []chrfCounts) {
	for i, h := range hypotheses {
		bleu, chrf = append(bleu, countWords(h, references[i])), append(chrf, countCharacters(h, references[i]))
	}
	return bleu, chrf
}

func total[T counts[T]](sentences []T) T {
	var sum T
	for _, s := range sentences {
		sum = sum.plus(s)
	}
	return sum
}

func pick[T any](all []T, rows []int) []T {
	picked := make([]T, len(rows))
	for i, r := range rows {
		picked[i] = all[r]
	}
	return picked
}

func (c bleuCounts) plus(d bleuCounts) bleuCounts {
	c.hypothesis += d.hypothesis
	c.reference += d.reference
	for n := range c.matches {
		c.matches[n] += d.matches[n]
		c.ngrams[n] += d.ngrams[n]
	}
	return c
}

func (c bleuCounts) score() float64 {
	if c.matches[0] == 0 { // and so no longer n-gram matches
		return 0
	}
	logs, smooth := 0.0, 1.0
	for n, matches := range c.matches {
		switch {
		case c.ngrams[n] == 0: // no hypothesis is so long: the mean is 0
			return 0
		case matches == 0:
			smooth *= 2
			logs += math.Log(100 / (smooth * float64(c.ngrams[n])))
		default:
			logs += math.Log(100 * float64(matches) / float64(c.ngrams[n]))
		}
	}
	penalty := 1.0
	if c.hypothesis < c.reference {
		penalty = math.Exp(1 - float64(c.reference)/float64(c.hypothesis))
	}
	return penalty * math.Exp(logs/bleuOrder)
}

func (c chrfCounts) plus(d chrfCounts) chrfCounts {
	for n := range c.matches {
		c.hypothesis[n] += d.hypothesis[n]
		c.reference[n] += d.reference[n]
		c.matches[n] += d.matches[n]
	}
	return c
}

func (c chrfCounts) score() float64 {
	precision, recall, orders := 0.0, 0.0, 0.0
	for n, matches := range c.matches {
		if c.hypothesis[n] > 0 && c.reference[n] > 0 {
			precision += float64(matches) / float64(c.hypothesis[n])
			recall += float64(matches) / float64(c.reference[n])
			orders++
		}
	}
	if precision+recall == 0 {
		return 0
	}
	precision, recall = precision/orders, recall/orders
	const squared = 2 * 2 // β²
	return 100 * (1 + squared) * precision * recall / (squared*precision + recall)
}

func countWords(hypothesis, reference string) bleuCounts {
	h, r := words13a(hypothesis), words13a(reference)
	c := bleuCounts{hypothesis: len(h), reference: len(r)}
	for n := range bleuOrder {
		c.ngrams[n], _, c.matches[n] = clipped(wordGrams(h, n+1), wordGrams(r, n+1))
	}
	return c
}

func countCharacters(hypothesis, reference string) (c chrfCounts) {
	h, r := []rune(withoutSpace(hypothesis)), []rune(withoutSpace(reference))
	for n := range chrfOrder {
		c.hypothesis[n], c.reference[n], c.matches[n] = clipped(runeGrams(h, n+1), runeGrams(r, n+1))
		if c.reference[n] == 0 {
			c.hypothesis[n] = 0 // what has no counterpart does not count
		}
	}
	return c
}

// clipped counts the n-grams of both sides, and those of the first that the second has, each at most as often as there.
func clipped(hypothesis, reference map[string]int) (h, r, matches int) {
	for gram, n := range hypothesis {
		h += n
		matches += min(n, reference[gram])
	}
	for _, n := range reference {
		r += n
	}
	return h, r, matches
}

func wordGrams(words []string, n int) map[string]int {
	grams := map[string]int{}
	for i := 0; i+n <= len(words); i++ {
		grams[strings.Join(words[i:i+n], " ")]++
	}
	return grams
}

func runeGrams(text []rune, n int) map[string]int {
	grams := map[string]int{}
	for i := 0; i+n <= len(text); i++ {
		grams[string(text[i:i+n])]++
	}
	return grams
}

// The rules of mteval-v13a for words: symbols stand alone; so do periods and commas, unless digits are on both sides; and
// dashes behind digits.
var (
	symbols13a = regexp.MustCompile("([{-~\\[-` -&(-+:-@/])")
	behind13a  = regexp.MustCompile(`([^0-9])([.,])`)
	before13a  = regexp.MustCompile(`([.,])([^0-9])`)
	dashes13a  = regexp.MustCompile(`([0-9])(-)`)
)

// words13a cuts a sentence into words as mteval-v13a and sacreBLEU's tokenizer "13a" do.
func words13a(text string) []string {
	text = strings.TrimRightFunc(text, isSpace)
	// One after the other, as there: what one step makes may be replaced by the next.
	for _, step := range [][2]string{{"<skipped>", ""}, {"-\n", ""}, {"\n", " "}, {"&quot;", `"`}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}} {
		text = strings.ReplaceAll(text, step[0], step[1])
	}
	text = symbols13a.ReplaceAllString(" "+text+" ", " $1 ")
	text = behind13a.ReplaceAllString(text, "$1 $2 ")
	text = before13a.ReplaceAllString(text, " $1 $2")
	text = dashes13a.ReplaceAllString(text, "$1 $2 ")
	return strings.FieldsFunc(text, isSpace)
}

// isSpace is what Python's str.split takes for white space: Unicode's, and the separators of files, groups, records and
// units.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func withoutSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if isSpace(r) {
			return -1
		}
		return r
	}, s)
}

// scoreRecords is the score of the sentences in records.
func scoreRecords(records []Record) TranslationScore {
	var hypotheses, references []string
	for _, r := range records {
		hypotheses, references = append(hypotheses, r.Extracted), append(references, r.Answer)
	}
	return Translation(hypotheses, references)
}
