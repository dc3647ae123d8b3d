package reference

import "smt/device"

// GatherRows sets dst[i, :] = src[rows[i], :]. Only the rows asked for are widened: src may be a large embedding.
func (*Device) GatherRows(dst, src, rows device.Tensor) {
	const op = "GatherRows"
	checkShape(op, "rows", rows, dst.Rows, 1)
	check(src.Cols == dst.Cols, op, "src %s and dst %s differ in columns", describe(src), describe(dst))
	to := floats(op, "dst", dst)
	for i, r := range indices(op, "rows", rows) {
		checkIndex(op, "rows", i, r, src.Rows)
		copy(to.row(i), anyFloats(op, "src", src.Slice(int(r), int(r)+1)).row(0))
	}
}

// ScatterAddRows adds src[i, :] to dst[rows[i], :], in the order of i.
func (*Device) ScatterAddRows(dst, src, rows device.Tensor) {
	const op = "ScatterAddRows"
	checkShape(op, "rows", rows, src.Rows, 1)
	check(src.Cols == dst.Cols, op, "src %s and dst %s differ in columns", describe(src), describe(dst))
	to, from := floats(op, "dst", dst), floats(op, "src", src)
	for i, r := range indices(op, "rows", rows) {
		checkIndex(op, "rows", i, r, dst.Rows)
		dstRow := to.row(int(r))
		for c, v := range from.row(i) {
			dstRow[c] += v
		}
	}
}
