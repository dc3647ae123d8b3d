package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// raised is an error that the template itself reports with raise_exception.
type raised struct{ message string }

func (e raised) Error() string { return e.message }

// Raised returns the message a template gave to raise_exception, if err comes from there.
func Raised(err error) (message string, ok bool) {
	var r raised
	ok = errors.As(err, &r)
	return r.message, ok
}

// globals are the functions a chat template may call.
func globals() map[string]any {
	return map[string]any{
		"namespace":       function(namespace),
		"dict":            function(dict),
		"range":           function(rangeFunction),
		"raise_exception": function(raiseException),
		"strftime_now":    function(strftimeNow),
	}
}

func namespace(r *render, args arguments) (any, error) {
	d, err := dict(r, args)
	if err != nil {
		return nil, err
	}
	d.(*Dict).namespace = true
	return d, nil
}

func dict(_ *render, args arguments) (any, error) {
	d := NewDict()
	if base, ok := args.get(0, "", nil).(*Dict); ok {
		for _, key := range base.keys {
			d.Set(key, base.values[key])
		}
	} else if len(args.positional) > 0 {
		return nil, errors.New("expected a dict or keyword arguments")
	}
	for _, key := range sortedKeys(args.keywords) {
		d.Set(key, args.keywords[key])
	}
	return d, nil
}

func rangeFunction(r *render, args arguments) (any, error) {
	if n := len(args.positional); n < 1 || n > 3 {
		return nil, fmt.Errorf("expected 1 to 3 arguments, got %d", n)
	}
	bounds := [3]int{0, 0, 1}
	for i, v := range args.positional {
		n, ok := integer(v)
		if !ok {
			return nil, fmt.Errorf("expected an int, got %s", typeName(v))
		}
		bounds[i] = n
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if len(args.positional) == 1 {
		start, stop = 0, bounds[0]
	}
	if step == 0 {
		return nil, errors.New("step must not be 0")
	}
	list := &List{}
	for at := start; step > 0 && at < stop || step < 0 && at > stop; {
		// Charged one by one: a range that is too long ends here, before its memory is taken.
		if err := r.charge(1); err != nil {
			return nil, err
		}
		list.Items = append(list.Items, at)
		next := at + step
		if (next > at) != (step > 0) {
			break
		}
		at = next
	}
	return list, nil
}

func raiseException(r *render, args arguments) (any, error) {
	message, err := r.str(args.get(0, "message", ""))
	if err != nil {
		return nil, err
	}
	return nil, raised{message}
}

// strftimeNow formats the clock of the rendering with the directives of C's strftime in the C locale.
func strftimeNow(r *render, args arguments) (any, error) {
	format, err := args.text(0, "format")
	if err != nil {
		return nil, err
	}
	layouts := map[byte]string{
		'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday",
		'a': "Mon", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'Z': "MST", 'z': "-0700", 'j': "002",
		'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04", 'c': time.ANSIC,
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i < len(format) && format[i] == '-' && i+1 < len(format) {
			// %-d and the like: without the leading zero.
			i++
			n, err := strconv.Atoi(r.clock.Format(layouts[format[i]]))
			if err != nil {
				return nil, fmt.Errorf("unsupported directive %%-%c", format[i])
			}
			b.WriteString(strconv.Itoa(n))
			continue
		}
		layout, ok := layouts[format[i]]
		switch {
		case format[i] == '%':
			b.WriteByte('%')
		case ok:
			b.WriteString(r.clock.Format(layout))
		default:
			return nil, fmt.Errorf("unsupported directive %%%c", format[i])
		}
	}
	if err := r.fits(b.Len()); err != nil {
		return nil, err
	}
	return b.String(), nil
}
