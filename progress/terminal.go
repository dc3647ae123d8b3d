package progress

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// terminal draws a bar for the running phase, and below it what is known after the last step:
//
//	tuning          123/900 [========>--------------------------]  3m20s left
//	  epoch 0.14  loss 1.2345  grad 0.52  lr 4.5e-05  1,234 tok/s  peak 512 MiB
//
// Notes and tables appear above the bar. The bar of a phase that is over stays where it is.
type terminal struct {
	mu  sync.Mutex
	out io.Writer
	cadence
	container *mpb.Progress
	bar       *mpb.Bar
	// options are more of those of the container; tests use them.
	options []mpb.ContainerOption

	// What the bar shows. The drawing goroutine reads it, so it has a lock of its own: finish holds mu while it waits for
	// the last drawing.
	shown  sync.Mutex
	values string
	ending string
}

// nameWidth is the column of the counter, so that the bars of several phases stand below each other.
const nameWidth = 12

// Phase ends the bar that there is and begins another one.
func (t *terminal) Phase(name string, total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finish()
	t.begin(total)
	t.show("", "")
	t.container = mpb.New(append([]mpb.ContainerOption{mpb.WithOutput(t.out), mpb.WithAutoRefresh()}, t.options...)...)
	counter := decor.CountersNoUnit("%d/%d", decor.WC{W: 11})
	style := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding("-").Rbound("]")
	if total <= 0 {
		counter = decor.CurrentNoUnit("%d", decor.WC{W: 11})
		style = style.Filler(" ").Tip(" ").Padding(" ").Lbound(" ").Rbound(" ")
	}
	t.bar = t.container.New(int64(total), style,
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: nameWidth, C: decor.DindentRight}), counter),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return t.shownEnding() }, decor.WC{W: 11})),
		mpb.BarBtmExtender(mpb.BarFillerFunc(t.fillValues)),
	)
}

func (t *terminal) show(values, ending string) {
	t.shown.Lock()
	defer t.shown.Unlock()
	t.values, t.ending = values, ending
}

func (t *terminal) shownEnding() string {
	t.shown.Lock()
	defer t.shown.Unlock()
	return t.ending
}

// fillValues draws the line below the bar, cut where the terminal ends.
func (t *terminal) fillValues(w io.Writer, s decor.Statistics) error {
	t.shown.Lock()
	defer t.shown.Unlock()
	if t.values == "" {
		return nil
	}
	line := []rune("  " + t.values)
	if s.AvailableWidth > 0 && len(line) > s.AvailableWidth {
		line = line[:s.AvailableWidth]
	}
	_, err := fmt.Fprintln(w, string(line))
	return err
}

// Step moves the bar.
func (t *terminal) Step(s StepInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar == nil {
		return
	}
	t.step(s.Step)
	ending := ""
	if left, ok := t.left(s.Step); ok {
		ending = " " + formatDuration(left) + " left"
	}
	t.show(describe(s), ending)
	t.bar.SetCurrent(int64(s.Step))
	if t.total > 0 && s.Step >= t.total {
		t.finish()
	}
}

// finish leaves the bar as it is and lets go of the terminal.
func (t *terminal) finish() {
	if t.container == nil {
		return
	}
	// A complete bar takes no notice of this; others would be waited for without end.
	t.bar.Abort(false)
	t.container.Wait()
	t.container, t.bar = nil, nil
}

// write puts text above the bar, or just writes it if there is none.
func (t *terminal) write(text []byte) {
	if t.container != nil {
		if _, err := t.container.Write(text); err == nil {
			return
		}
	}
	t.out.Write(text)
}

// Note writes the text above the bar.
func (t *terminal) Note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write([]byte(strings.TrimRight(text, "\n") + "\n"))
}

// Table writes the table above the bar, between two empty lines.
func (t *terminal) Table(title string, header []string, rows [][]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text bytes.Buffer
	text.WriteByte('\n')
	WriteTable(&text, title, header, rows)
	text.WriteByte('\n')
	t.write(text.Bytes())
}

// Close leaves the last bar on the screen.
func (t *terminal) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finish()
}
