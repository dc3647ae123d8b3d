package tokenizer

import "slices"

// template is what a post-processor puts around a text.
type template struct{ before, after []int32 }

// maxTemplate bounds how many tokens a post-processor may add.
const maxTemplate = 1024

// readPostProcessor reads a post-processor.
func readPostProcessor(s *settings, depth int) (t template) {
	if s == nil || s.failed() {
		return t
	}
	defer s.done()
	switch kind := s.text("type"); kind {
	case "ByteLevel":
		// It only narrows offsets to leave out spaces; here offsets cover all of a token.
		s.flag("add_prefix_space", true)
		s.flag("trim_offsets", true)
		s.flag("use_regex", true)
	case "TemplateProcessing":
		s.value("pair")
		return readTemplate(s)
	case "Sequence":
		if depth >= maxSequences {
			s.fail("", "sequences nest more than %d deep", maxSequences)
			return t
		}
		for _, child := range s.children("processors") {
			outer := readPostProcessor(child, depth+1)
			t.before = slices.Concat(outer.before, t.before)
			t.after = slices.Concat(t.after, outer.after)
		}
		if len(t.before)+len(t.after) > maxTemplate {
			s.fail("", "adds more than %d tokens", maxTemplate)
		}
	default:
		s.fail("type", "unknown %q, known are ByteLevel, Sequence, TemplateProcessing", kind)
	}
	return t
}

// readTemplate reads the template for a single text; that for pairs is not needed.
func readTemplate(s *settings) (t template) {
	ids := map[string][]int32{}
	if tokens := s.child("special_tokens"); tokens != nil {
		for _, name := range tokens.keys() {
			token := tokens.child(name)
			if token == nil {
				tokens.fail(name, "expected an object, got null")
				continue
			}
			token.text("id")
			token.value("tokens")
			token.each("ids", func(l *lexer, path string) {
				id, err := l.integer(func() string { return path }, maxID)
				if err != nil && !s.failed() {
					s.file.err = err
				}
				ids[name] = append(ids[name], int32(id))
			})
			token.done()
		}
	}
	texts := 0
	for _, piece := range s.children("single") {
		if text := piece.child("Sequence"); text != nil {
			text.choice("id", "", "A")
			text.count("type_id", maxID)
			text.done()
			texts++
		} else if token := piece.child("SpecialToken"); token != nil {
			name := token.text("id")
			token.count("type_id", maxID)
			token.done()
			added, ok := ids[name]
			if !ok {
				token.fail("id", "%q is not among special_tokens", name)
			}
			if texts == 0 {
				t.before = append(t.before, added...)
			} else {
				t.after = append(t.after, added...)
			}
		}
		piece.done()
	}
	if texts != 1 {
		s.fail("single", "expected the text once, got it %d times", texts)
	}
	if len(t.before)+len(t.after) > maxTemplate {
		s.fail("single", "adds more than %d tokens", maxTemplate)
	}
	return t
}
