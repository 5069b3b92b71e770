package main

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// A chart shows one value of an experiment, a line for each peer of some
// groups, with bars from the smallest to the largest.
type chart struct {
	file, title string
	value       string
	axis, unit  string // what the points and the values are
	log         bool
	groups      []string // nil is all
}

func (e *experiment) plot(c chart, limit float64, file string) error {
	p := plot.New()
	p.Title.Text = c.title
	p.X.Label.Text, p.Y.Label.Text = c.axis, c.unit
	p.Add(plotter.NewGrid())
	if c.log {
		p.Y.Scale = plot.LogScale{}
		p.Y.Tick.Marker = plot.TickerFunc(logTicks)
	} else {
		p.Y.Min = 0
	}
	groups := c.groups
	if groups == nil {
		groups = e.groups()
	}
	points := e.points(groups[0])
	n, longest := 0, 0
	for _, group := range groups {
		for _, peer := range e.peers(group) {
			s := e.series(c, group, peer, points, limit)
			if len(s.XYs) == 0 {
				continue
			}
			name := peer
			if len(groups) > 1 && len(e.peers(group)) < len(e.unique("", func(c cell) string { return c.peer })) {
				name = group + ": " + peer
			}
			if err := s.add(p, name, n); err != nil {
				return err
			}
			n, longest = n+1, max(longest, len(name))
		}
	}
	p.NominalX(points...)
	lines := 6.3 * vg.Inch
	names := vg.Length(longest)*7 + vg.Inch/2 // browsers take fonts of other widths
	p.Legend.Left, p.Legend.Top = true, true  // of what is to the right of the lines
	p.Legend.XOffs, p.Legend.Padding = lines, 3
	p.X.Min = -0.1
	p.X.Max = p.X.Min + (float64(len(points))-0.8)*float64((lines+names)/lines)
	return p.Save(lines+names+0.7*vg.Inch, 5*vg.Inch, file)
}

// logTicks marks 1, 2 and 5 times each power of ten.
func logTicks(lo, hi float64) (ticks []plot.Tick) {
	for power := math.Pow(10, math.Floor(math.Log10(lo))); power <= hi; power *= 10 {
		for _, k := range []float64{1, 2, 5} {
			if v := k * power; v >= lo && v <= hi {
				ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 10, 64)})
			}
		}
	}
	return ticks
}

// A series is a line with its error bars.
type series struct {
	plotter.XYs
	plotter.YErrors
}

func (e *experiment) series(c chart, group, peer string, points []string, limit float64) (s series) {
	for i, point := range points {
		v, ok := e.spread(cell{group: group, point: point, peer: peer}, peer, c.value, limit)
		if !ok {
			continue
		}
		s.XYs = append(s.XYs, plotter.XY{X: float64(i), Y: v.median})
		s.YErrors = append(s.YErrors, struct{ Low, High float64 }{v.median - v.min, v.max - v.median})
	}
	return s
}

func (s series) add(p *plot.Plot, name string, n int) error {
	line, marks, err := plotter.NewLinePoints(s.XYs)
	if err != nil {
		return err
	}
	bars, err := plotter.NewYErrorBars(s)
	if err != nil {
		return err
	}
	line.Color, marks.Color, bars.Color = plotutil.Color(n), plotutil.Color(n), plotutil.Color(n)
	line.Dashes, marks.Shape = plotutil.Dashes(n/7), plotutil.Shape(n)
	p.Add(line, marks, bars)
	p.Legend.Add(name, line, marks)
	return nil
}
