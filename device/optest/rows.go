package optest

// testGatherRows looks rows up in tables of every dtype: repeated, out of order, all the same, and none.
func testGatherRows(s *series) {
	for i, shape := range shapes() {
		for _, dtype := range anyDType {
			count := []int{1, 7, 40, 0}[i%4]
			if shape[0] == 0 {
				count = 0
			}
			tr := s.trial("src=%s[%d, %d] %d rows", dtype, shape[0], shape[1], count)
			src, dst := tr.weight("src", dtype, shape[0], shape[1]), tr.result("dst", count, shape[1])
			rows := tr.rows(count, shape[0])
			tr.dev.GatherRows(dst.Tensor, src.Tensor, tr.index(rows))
			tr.equal(dst, build(count, shape[1], func(r, c int) float64 { return src.host.at(int(rows[r]), c) }))
			tr.done()
		}
	}
}

// testScatterAddRows adds rows to a table; with few rows in the table, many fall on the same.
func testScatterAddRows(s *series) {
	for i, shape := range shapes() {
		count := []int{1, 7, 40, 0, 300}[i%5]
		if shape[0] == 0 {
			count = 0
		}
		tr := s.trial("dst=[%d, %d] %d rows", shape[0], shape[1], count)
		dst, src := tr.random("dst", shape[0], shape[1]), tr.random("src", count, shape[1])
		rows := tr.rows(count, shape[0])
		tr.dev.ScatterAddRows(dst.Tensor, src.Tensor, tr.index(rows))
		want := dst.host.clone()
		for i, r := range rows {
			for c := range src.Cols {
				want.add(int(r), c, src.host.at(i, c))
			}
		}
		tr.equal(dst, want)
		tr.done()
	}
}

// rows draws count rows of a table; the first two are its last and its first.
func (tr *trial) rows(count, table int) []int32 {
	rows := make([]int32, count)
	for i := range rows {
		switch i {
		case 0:
			rows[i] = int32(table - 1)
		case 1:
			rows[i] = 0
		default:
			rows[i] = int32(tr.rng.IntN(table))
		}
	}
	return rows
}
