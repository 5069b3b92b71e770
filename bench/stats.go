package main

import "slices"

// A spread is what the rounds of one cell gave.
type spread struct {
	median, min, max float64
	ratio            float64 // median of the rounds' ratios to the reference peer
	n, disturbed     int
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// spread returns what a cell measured as value. ok is false if it did not run.
func (e *experiment) spread(c cell, reference, value string, limit float64) (s spread, ok bool) {
	var all, ratios []float64
	for round := range e.rounds {
		v, dirty, ok := e.value(c.group, c.point, c.peer, value, round, limit)
		if !ok {
			continue
		}
		all = append(all, v)
		if dirty {
			s.disturbed++
		}
		if ref, _, ok := e.value(c.group, c.point, reference, value, round, limit); ok && ref != 0 {
			ratios = append(ratios, v/ref)
		}
	}
	if s.n = len(all); s.n == 0 {
		return s, false
	}
	s.median, s.min, s.max = median(all), slices.Min(all), slices.Max(all)
	if len(ratios) > 0 {
		s.ratio = median(ratios)
	}
	return s, true
}

func (e *experiment) value(group, point, peer, value string, round int, limit float64) (v float64, dirty, ok bool) {
	for _, s := range e.samples {
		if s.Group == group && s.Point == point && s.Peer == peer && s.Round == round {
			v, ok = s.Values[value]
			return v, s.Disturbed > limit, ok
		}
	}
	return 0, false, false
}

// unique returns what pick finds in the cells of a group, in their order.
func (e *experiment) unique(group string, pick func(cell) string) (all []string) {
	for _, c := range e.cells {
		if s := pick(c); (group == "" || c.group == group) && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

func (e *experiment) groups() []string { return e.unique("", func(c cell) string { return c.group }) }
func (e *experiment) points(group string) []string {
	return e.unique(group, func(c cell) string { return c.point })
}
func (e *experiment) peers(group string) []string {
	return e.unique(group, func(c cell) string { return c.peer })
}
