package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// plain writes lines of text, for log files.
type plain struct {
	mu  sync.Mutex
	out io.Writer
	cadence
	phase string
}

// Phase writes a line, so that a slow first step does not look like nothing.
func (p *plain) Phase(name string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = name
	p.begin(total)
	fmt.Fprintf(p.out, "%s ...\n", name)
}

// Step writes a line if one is due.
func (p *plain) Step(s StepInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step(s.Step)
	if p.due(s) {
		fmt.Fprintln(p.out, p.line(s))
	}
}

// line is the text of a step, as in
//
//	tuning 123/900  loss 1.2345  grad 0.52  lr 4.5e-05  1,234 tok/s  peak 512 MiB  3m20s left
func (p *plain) line(s StepInfo) string {
	parts := []string{fmt.Sprintf("%s %d", p.phase, s.Step)}
	if p.total > 0 {
		parts[0] = fmt.Sprintf("%s %d/%d", p.phase, s.Step, p.total)
	}
	if text := describe(s); text != "" {
		parts = append(parts, text)
	}
	if left, ok := p.left(s.Step); ok {
		parts = append(parts, formatDuration(left)+" left")
	}
	return strings.Join(parts, "  ")
}

// Note writes the text.
func (p *plain) Note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.out, strings.TrimRight(text, "\n"))
}

// Table writes the table between two empty lines.
func (p *plain) Table(title string, header []string, rows [][]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.out)
	WriteTable(p.out, title, header, rows)
	fmt.Fprintln(p.out)
}

// Close has nothing to do: every line is complete.
func (p *plain) Close() {}
