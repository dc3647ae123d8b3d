package cpu

import (
	"math"
	"unsafe"
)

// portable is the table of every machine that has none of its own. Its tile of 2 × 4 fits the registers of any of them.
var portable = kernels{
	name: "go", height: 2, lanes: 4, columns: 1,
	tile:    [3]func(int, *float32, *float32, *float32, int, bool){tileGo},
	dotRows: 1,
	bytes:   &portableBytes,
	weigh:   weighGo,

	scale:             scaleGo,
	combine:           combineGo,
	multiply:          multiplyGo,
	multiplyAdd:       multiplyAddGo,
	normalize:         normalizeGo,
	normalizeGradient: normalizeGradientGo,
	rotate:            rotateGo,
	swiglu:            swigluGo,
	swigluGradient:    swigluGradientGo,
	adamw:             adamwGo,
	sum:               sumGo,
	sumAbs:            sumAbsGo,
	dot:               dotGo,
	dot3:              dot3Go,
	max:               maxGo,
	expSum:            expSumGo,
	expScale:          expScaleGo,
	peakPanel:         peakPanelGo,
	expPanel:          expPanelGo,
	scalePanel:        scalePanelGo,
	gradientPanel:     gradientPanelGo,
}

func tileGo(k int, a, b, c *float32, ldc int, add bool) {
	as, bs := unsafe.Slice(a, 2*k), unsafe.Slice(b, 4*k)
	var s0, s1, s2, s3, t0, t1, t2, t3 float32
	for len(as) >= 2 && len(bs) >= 4 {
		x, y := as[0], as[1]
		b0, b1, b2, b3 := bs[0], bs[1], bs[2], bs[3]
		s0 += x * b0
		s1 += x * b1
		s2 += x * b2
		s3 += x * b3
		t0 += y * b0
		t1 += y * b1
		t2 += y * b2
		t3 += y * b3
		as, bs = as[2:], bs[4:]
	}
	s, t := unsafe.Slice(c, 4), unsafe.Slice(c, ldc+4)[ldc:]
	if add {
		s0, s1, s2, s3 = s0+s[0], s1+s[1], s2+s[2], s3+s[3]
		t0, t1, t2, t3 = t0+t[0], t1+t[1], t2+t[2], t3+t[3]
	}
	s[0], s[1], s[2], s[3] = s0, s1, s2, s3
	t[0], t[1], t[2], t[3] = t0, t1, t2, t3
}

func weighGo(dst, w []float32, v *float32, ld int) {
	clear(dst)
	if len(dst) == 0 || len(w) == 0 {
		return
	}
	vs := unsafe.Slice(v, (len(w)-1)*ld+len(dst))
	for j, x := range w {
		row := vs[j*ld:][:len(dst)]
		for c := range dst {
			dst[c] += x * row[c]
		}
	}
}

func scaleGo(dst, a []float32, alpha float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = alpha * a[i]
	}
}

func combineGo(dst, a []float32, alpha, beta float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = alpha*a[i] + beta*dst[i]
	}
}

func multiplyGo(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func multiplyAddGo(dst, a, b []float32, s float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] += s * a[i] * b[i]
	}
}

func normalizeGo(dst, x, w []float32, r float32) {
	x, w = x[:len(dst)], w[:len(dst)]
	for i := range dst {
		dst[i] = r * x[i] * w[i]
	}
}

func normalizeGradientGo(dx, dy, x, w []float32, r, c float32) {
	dy, x, w = dy[:len(dx)], x[:len(dx)], w[:len(dx)]
	for i := range dx {
		dx[i] = r*dy[i]*w[i] - c*x[i]
	}
}

func rotateGo(lo, hi, cos, sin []float32, s float32) {
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	for i := range lo {
		x, y := lo[i], hi[i]
		lo[i], hi[i] = x*cos[i]-s*y*sin[i], y*cos[i]+s*x*sin[i]
	}
}

func swigluGo(h, gate, up []float32) {
	gate, up = gate[:len(h)], up[:len(h)]
	for i := range h {
		h[i] = gate[i] / (1 + exp32(-gate[i])) * up[i]
	}
}

func swigluGradientGo(dgate, dup, dh, gate, up []float32) {
	dup, dh, gate, up = dup[:len(dgate)], dh[:len(dgate)], gate[:len(dgate)], up[:len(dgate)]
	for i := range dgate {
		// silu'(z) = σ + z·σ·(1-σ), σ = 1/(1+exp(-z)).
		z, u, d := gate[i], up[i], dh[i]
		sigmoid := 1 / (1 + exp32(-z))
		silu := z * sigmoid
		dgate[i] = d * u * (sigmoid + silu*(1-sigmoid))
		dup[i] = d * silu
	}
}

func adamwGo(p, g, m, v []float32, c *adamwConstants) {
	g, m, v = g[:len(p)], m[:len(p)], v[:len(p)]
	for i := range p {
		s := c.gradient * g[i]
		m[i] = c.beta1*m[i] + c.rest1*s
		v[i] = c.beta2*v[i] + c.rest2*(s*s)
		p[i] -= c.decay * p[i]
		p[i] -= c.rate * m[i] / (float32(math.Sqrt(float64(c.correction*v[i]))) + c.epsilon)
	}
}

// The sums below run in four parts, for speed and for accuracy: the rounding errors of a part are a quarter as many.

func sumGo(x []float32) float32 {
	var s [4]float32
	for len(x) >= 4 {
		s[0], s[1], s[2], s[3] = s[0]+x[0], s[1]+x[1], s[2]+x[2], s[3]+x[3]
		x = x[4:]
	}
	for i := range x {
		s[i] += x[i]
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func sumAbsGo(x []float32) float32 {
	var s [4]float32
	for i := range x {
		s[i%4] += math.Float32frombits(math.Float32bits(x[i]) &^ (1 << 31))
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func dotGo(a, b []float32) float32 {
	b = b[:len(a)]
	var s [4]float32
	for len(a) >= 4 && len(b) >= 4 {
		s[0], s[1], s[2], s[3] = s[0]+a[0]*b[0], s[1]+a[1]*b[1], s[2]+a[2]*b[2], s[3]+a[3]*b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s[i] += a[i] * b[i]
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func dot3Go(a, b, c []float32) float32 {
	b, c = b[:len(a)], c[:len(a)]
	var s [4]float32
	for i := range a {
		s[i%4] += a[i] * b[i] * c[i]
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func maxGo(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		m = max(m, v)
	}
	return m
}

func expSumGo(x []float32, shift float32) float32 {
	var s [4]float32
	for i := range x {
		s[i%4] += exp32(x[i] - shift)
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func expScaleGo(dst, x []float32, shift, scale float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = scale * exp32(x[i]-shift)
	}
}

func peakPanelGo(rows, width int, s, top *float32) {
	panel, tops := unsafe.Slice(s, rows*width), unsafe.Slice(top, width)
	for i, x := range panel {
		tops[i%width] = max(tops[i%width], x)
	}
}

func expPanelGo(rows, width int, s, top, sum *float32) {
	panel, tops, sums := unsafe.Slice(s, rows*width), unsafe.Slice(top, width), unsafe.Slice(sum, width)
	for i, x := range panel {
		panel[i] = exp32(x - tops[i%width])
		sums[i%width] += panel[i]
	}
}

func scalePanelGo(rows, width int, s, alpha *float32) {
	panel, alphas := unsafe.Slice(s, rows*width), unsafe.Slice(alpha, width)
	for i := range panel {
		panel[i] *= alphas[i%width]
	}
}

func gradientPanelGo(rows, width int, s, dp, lse, delta *float32) {
	p, d := unsafe.Slice(s, rows*width), unsafe.Slice(dp, rows*width)
	lses, deltas := unsafe.Slice(lse, width), unsafe.Slice(delta, width)
	for i := range p {
		p[i] = exp32(p[i] - lses[i%width])
		d[i] = p[i] * (d[i] - deltas[i%width])
	}
}
