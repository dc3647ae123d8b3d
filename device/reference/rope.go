package reference

import "smt/device"

// Rope rotates the pairs (x_i, x_{i+d/2}) of every head by the angles of the row's position, or back.
func (*Device) Rope(x, table, positions device.Tensor, inverse bool) {
	const op = "Rope"
	d := table.Cols
	check(d > 0 && d%2 == 0 && x.Cols%d == 0, op,
		"x %s is not made of heads of an even size, table %s", describe(x), describe(table))
	checkShape(op, "positions", positions, x.Rows, 1)
	m, angles := floats(op, "x", x), floats(op, "table", table)
	half := d / 2
	for t, position := range indices(op, "positions", positions) {
		checkIndex(op, "positions", t, position, table.Rows)
		cosines, sines := angles.row(int(position))[:half], angles.row(int(position))[half:]
		row := m.row(t)
		for head := 0; head < len(row); head += d {
			first, second := row[head:head+half], row[head+half:head+d]
			for i, c := range cosines {
				s := sines[i]
				if inverse {
					s = -s
				}
				first[i], second[i] = first[i]*c-second[i]*s, second[i]*c+first[i]*s
			}
		}
	}
}
