package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"smt/durable"
)

// A Page is a report for a browser: one file that needs nothing else.
type Page struct {
	Title    string
	Question string
	Answers  []string // what came of it, in whole sentences
	Method   []string // how it was measured, in paragraphs
	Commands []string // that made it
	Warnings []Warning
	Facts    []Fact // about the model, the data and the machine
	Sections []Section
}

// A Warning is something that makes a figure of the page doubtful.
type Warning struct{ Kind, Place, Text string }

// A Fact is a name with a value.
type Fact struct{ Name, Value string }

// A Section is a part of a page.
type Section struct {
	Title   string
	Text    []string
	Tables  []Table
	Figures []Figure
}

// A Table is rows of cells under a header.
type Table struct {
	Title  string     `json:"title"`
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`
	Note   string     `json:"note,omitempty"`
	// Strong is the row that the others are compared with, counted from 1, or 0.
	Strong int `json:"-"`
}

// A Figure is a PNG file with what it shows.
type Figure struct{ File, Caption string }

// Write writes the page to path. The figures' files are read from figures.
func (p Page) Write(path, figures string) error {
	inline := func(f Figure) (inlined, error) {
		picture, err := os.ReadFile(filepath.Join(figures, f.File))
		if err != nil {
			return inlined{}, fmt.Errorf("report: figure: %w", err)
		}
		size, err := png.DecodeConfig(bytes.NewReader(picture))
		if err != nil {
			return inlined{}, fmt.Errorf("report: figure %s: %w", f.File, err)
		}
		// A picture has twice the dots of a screen.
		return inlined{template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)), size.Width / 2}, nil
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"inline": inline,
		"strong": func(t Table, row int) bool { return t.Strong == row+1 },
		"number": func(column int) bool { return column > 0 },
	}).Parse(pageText)
	if err != nil {
		panic("report: the page's template: " + err.Error())
	}
	if err := durable.WriteFile(path, func(w io.Writer) error { return t.Execute(w, p) }); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// inlined is a picture within the page.
type inlined struct {
	URL   template.URL
	Width int
}

const pageText = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
:root { --ink: #1c2530; --soft: #5b6672; --line: #dfe4ea; --paper: #fff; --back: #f4f6f8; --accent: #0072b2; --warn: #fff6e5; --warnline: #e69f00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
header { border-left: 5px solid var(--accent); padding: 2px 0 2px 18px; margin-bottom: 26px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
header p { margin: 0; font-size: 1.12rem; color: var(--soft); }
h2 { font-size: 1.25rem; margin: 0 0 12px; }
h3 { font-size: 0.98rem; margin: 22px 0 8px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 22px 26px; margin: 18px 0; }
p { margin: 0 0 10px; }
ul.answers { margin: 0; padding-left: 1.2em; font-size: 1.05rem; }
ul.answers li { margin: 4px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 5px 8px; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line); vertical-align: bottom; white-space: normal; line-height: 1.25; }
th.number, td.number { text-align: right; }
tr.strong td { background: #eef6fb; font-weight: 600; }
tbody tr:hover td { background: #f7f9fb; }
.note { color: var(--soft); font-size: 0.86rem; margin: 8px 0 0; }
figure { margin: 20px 0 6px; text-align: center; }
figure img { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: 0.88rem; margin-top: 4px; }
.warnings { background: var(--warn); border-color: var(--warnline); }
.warnings li { margin: 4px 0; }
.kind { font-weight: 600; }
pre { background: #f0f3f6; border-radius: 6px; padding: 10px 14px; overflow-x: auto; font-size: 0.85rem; margin: 8px 0; white-space: pre-wrap; word-break: break-word; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 22px; margin: 0; font-size: 0.9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media print { body { background: #fff; } section { break-inside: avoid; border-color: #bbb; } }
</style>
</head>
<body>
<main>
<header><h1>{{.Title}}</h1><p>{{.Question}}</p></header>
{{if .Answers}}<section><h2>Answer</h2><ul class="answers">{{range .Answers}}<li>{{.}}</li>{{end}}</ul></section>{{end}}
{{if .Warnings}}<section class="warnings"><h2>Warnings</h2><ul>{{range .Warnings}}<li><span class="kind">{{.Kind}}</span>{{if .Place}} in {{.Place}}{{end}}: {{.Text}}</li>{{end}}</ul></section>
{{else}}<section><h2>Warnings</h2><p>None: no loss or gradient was out of line, memory stayed within its plan.</p></section>{{end}}
{{range .Sections}}<section><h2>{{.Title}}</h2>
{{range .Text}}<p>{{.}}</p>{{end}}
{{range .Tables}}{{$table := .}}{{if .Title}}<h3>{{.Title}}</h3>{{end}}<div class="scroll"><table><thead><tr>{{range $i, $h := .Header}}<th{{if number $i}} class="number"{{end}}>{{$h}}</th>{{end}}</tr></thead>
<tbody>{{range $r, $row := .Rows}}<tr{{if strong $table $r}} class="strong"{{end}}>{{range $i, $c := $row}}<td{{if number $i}} class="number"{{end}}>{{$c}}</td>{{end}}</tr>
{{end}}</tbody></table></div>{{if .Note}}<p class="note">{{.Note}}</p>{{end}}
{{end}}{{range .Figures}}<figure>{{$picture := inline .}}<img src="{{$picture.URL}}" width="{{$picture.Width}}" alt="{{.Caption}}"><figcaption>{{.Caption}}</figcaption></figure>
{{end}}</section>
{{end}}<section><h2>Method</h2>{{range .Method}}<p>{{.}}</p>{{end}}</section>
<section><h2>Model, data, machine</h2><dl>{{range .Facts}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl>
{{if .Commands}}<h3>Commands</h3>{{range .Commands}}<pre>{{.}}</pre>{{end}}{{end}}</section>
</main>
</body>
</html>
`
