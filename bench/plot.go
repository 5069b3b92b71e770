package main

import (
	"bytes"
	"image/color"
	"math"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A chart shows one value of an experiment, a line for each peer of some
// groups, with bars from the smallest to the largest.
type chart struct {
	file, title string
	note        string // what ran, and over which network: it stands in the picture
	value       string
	axis, unit  string // what the points and the values are, with their units
	log         bool
	groups      []string          // nil is all
	names       map[string]string // of peers in the picture, where theirs are long
}

// What every picture says of its lines.
const legend = "Marks are medians, bars go from the smallest to the largest round."

// Sizes of a picture.
const (
	plotWidth  = 9.2 * vg.Inch
	plotHeight = 4.6 * vg.Inch
)

// plot draws the chart into file. Without figures there is no picture.
func (e *experiment) plot(c chart, limit float64, file string) error {
	all := e.allSeries(c, limit)
	if len(all) == 0 {
		return nil
	}
	p, err := c.axes(all, e.points(c.firstGroup(e)))
	if err != nil {
		return err
	}
	picture := vgsvg.New(plotWidth, plotHeight)
	canvas := draw.New(picture)
	corner := vg.Point{X: plotWidth, Y: plotHeight}
	canvas.FillPolygon(color.White, []vg.Point{{}, {X: corner.X}, corner, {Y: corner.Y}}) // pages can be dark
	lines := draw.Crop(canvas, 28, -labelsWidth(all), 4, -c.heading(canvas))
	p.Draw(lines)
	data := p.DataCanvas(lines)
	x, y := p.Transforms(&data)
	c.nameValues(canvas, data)
	labels(canvas, data, all, x, y)
	var svg bytes.Buffer
	if _, err := picture.WriteTo(&svg); err != nil {
		return err
	}
	return os.WriteFile(file, withFonts(svg.Bytes()), 0o644)
}

// withFonts names fonts of the same widths for machines without gonum's.
func withFonts(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
}

func (c chart) firstGroup(e *experiment) string {
	if c.groups == nil {
		return e.groups()[0]
	}
	return c.groups[0]
}

// axes makes a plot with the lines of all.
func (c chart) axes(all []*series, points []string) (*plot.Plot, error) {
	p := plot.New()
	for _, style := range []*text.Style{&p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font = font.From(sans, 10)
	}
	p.X.Label.Text, p.X.Label.Padding = c.axis, 4
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{220}, color.Gray{220}
	p.Add(grid)
	for _, s := range all {
		if err := s.add(p); err != nil {
			return nil, err
		}
	}
	p.NominalX(points...)
	p.X.Min, p.X.Max = -0.2, float64(len(points))-0.8
	if c.log {
		// Room for the ends of the bars.
		p.Y.Min, p.Y.Max = p.Y.Min/1.1, p.Y.Max*1.1
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks)
	} else {
		p.Y.Min, p.Y.Max = 0, p.Y.Max*1.05
		p.Y.Tick.Marker = plot.TickerFunc(linearTicks)
	}
	return p, nil
}

// heading writes the title and the notes, and returns how high they are.
func (c chart) heading(canvas draw.Canvas) vg.Length {
	at := vg.Point{X: canvas.Min.X + 8, Y: canvas.Max.Y - 6}
	for _, line := range []struct {
		text string
		size vg.Length
	}{{c.title, 13}, {c.note, 9}, {legend, 9}} {
		style := textStyle(line.size)
		style.YAlign = text.YTop
		canvas.FillText(style, at, line.text)
		at.Y -= line.size * 1.35
	}
	return canvas.Max.Y - at.Y + 6
}

// nameValues names the axis of the values. Gonum would do it, but leaves a gap
// above axes that are logarithmic.
func (c chart) nameValues(canvas, data draw.Canvas) {
	style := textStyle(10)
	style.Rotation, style.XAlign, style.YAlign = math.Pi/2, text.XCenter, text.YTop
	canvas.FillText(style, vg.Point{X: canvas.Min.X + 8, Y: data.Center().Y}, c.unit)
}

// A series is a line with its error bars.
type series struct {
	plotter.XYs
	plotter.YErrors
	name string
	line draw.LineStyle
	mark draw.GlyphStyle
}

// allSeries returns the lines of a chart. Each is a little beside the others:
// bars do not hide bars.
func (e *experiment) allSeries(c chart, limit float64) (all []*series) {
	groups := c.groups
	if groups == nil {
		groups = e.groups()
	}
	for _, group := range groups {
		for _, peer := range e.peers(group) {
			s := e.series(c, group, peer, e.points(groups[0]), limit)
			if len(s.XYs) == 0 {
				continue
			}
			s.look(len(all))
			all = append(all, s)
		}
	}
	step := 0.006 * float64(len(e.points(groups[0])))
	for n, s := range all {
		for i := range s.XYs {
			s.XYs[i].X += (float64(n) - float64(len(all)-1)/2) * step
		}
	}
	return all
}

func (e *experiment) series(c chart, group, peer string, points []string, limit float64) *series {
	s := &series{name: peer}
	if short, ok := c.names[peer]; ok {
		s.name = short
	}
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

func (s *series) add(p *plot.Plot) error {
	line, marks, err := plotter.NewLinePoints(s.XYs)
	if err != nil {
		return err
	}
	bars, err := plotter.NewYErrorBars(s)
	if err != nil {
		return err
	}
	line.LineStyle, marks.GlyphStyle = s.line, s.mark
	bars.LineStyle = draw.LineStyle{Color: s.line.Color, Width: 0.7}
	p.Add(line, marks, bars)
	return nil
}
