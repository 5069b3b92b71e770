package main

import (
	"cmp"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

func textStyle(size vg.Length) text.Style {
	return text.Style{Color: color.Black, Font: font.From(sans, size), Handler: plot.DefaultTextHandler}
}

// Lines differ in three ways: dashes and marks tell them apart in print, too.
var (
	colors = []color.Color{
		color.RGBA{0, 0, 0, 255}, color.RGBA{0, 104, 175, 255}, color.RGBA{196, 78, 0, 255}, color.RGBA{0, 128, 96, 255},
		color.RGBA{150, 60, 130, 255}, color.RGBA{120, 90, 0, 255}, color.RGBA{90, 90, 90, 255}, color.RGBA{190, 20, 40, 255},
	}
	dashes = [][]vg.Length{
		nil, {6, 2}, {2, 2}, {8, 2, 2, 2}, {10, 4}, {4, 1, 1, 1, 1, 1}, {1, 2}, {12, 2, 4, 2},
	}
	shapes = []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.SquareGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{},
		draw.RingGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.PlusGlyph{},
	}
)

// look gives a line its style, by its number in the chart.
func (s *series) look(n int) {
	n %= len(colors)
	s.line = draw.LineStyle{Color: colors[n], Width: 1.2, Dashes: dashes[n]}
	s.mark = draw.GlyphStyle{Color: colors[n], Radius: 3.2, Shape: shapes[n]}
}

// Labels are to the right of the lines: a short line from the last mark, a
// piece of line with its mark, and the name.
const (
	labelSize   = 9
	labelHeight = 13
	labelReach  = 26 // from the lines to the piece
	labelPiece  = 30
	labelGap    = 5
)

// labelsWidth returns how much room labels take. Other fonts can be wider.
func labelsWidth(all []*series) (most vg.Length) {
	style := textStyle(labelSize)
	for _, s := range all {
		most = max(most, style.Width(s.name))
	}
	return most*1.05 + labelReach + labelPiece + labelGap + 4
}

// labels names the lines, in the order in which they end.
func labels(canvas, data draw.Canvas, all []*series, x, y func(float64) vg.Length) {
	end := func(s *series) plotter.XY { return s.XYs[len(s.XYs)-1] }
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b *series) int { return cmp.Compare(end(a).Y, end(b).Y) })
	heights, final := make([]vg.Length, len(all)), 0.0
	for i, s := range all {
		heights[i] = y(end(s).Y)
		final = max(final, math.Round(end(s).X))
	}
	heights = apart(heights, labelHeight, data.Min.Y, data.Max.Y)
	style := textStyle(labelSize)
	style.YAlign = text.YCenter
	for i, s := range all {
		piece := vg.Point{X: data.Max.X + labelReach, Y: heights[i]}
		if last := end(s); math.Round(last.X) == final { // others end in the middle of the picture
			thin := draw.LineStyle{Color: color.Gray{150}, Width: 0.5}
			canvas.StrokeLine2(thin, x(last.X)+s.mark.Radius, y(last.Y), piece.X, piece.Y)
		}
		canvas.StrokeLine2(s.line, piece.X, piece.Y, piece.X+labelPiece, piece.Y)
		canvas.DrawGlyphNoClip(s.mark, vg.Point{X: piece.X + labelPiece/2, Y: piece.Y})
		canvas.FillText(style, vg.Point{X: piece.X + labelPiece + labelGap, Y: piece.Y + 1.5}, s.name)
	}
}

// apart moves sorted heights as little as it can, so that they are least apart
// and lie between low and high, if there is room.
func apart(heights []vg.Length, least, low, high vg.Length) []vg.Length {
	type cluster struct {
		sum vg.Length // of where its labels want to be, each less those below it
		n   int
	}
	mean := func(c cluster) vg.Length { return c.sum / vg.Length(c.n) }
	var all []cluster
	for i, h := range heights {
		all = append(all, cluster{h - vg.Length(i)*least, 1})
		for n := len(all); n > 1 && mean(all[n-2]) > mean(all[n-1]); n = len(all) {
			all = append(all[:n-2], cluster{all[n-2].sum + all[n-1].sum, all[n-2].n + all[n-1].n})
		}
	}
	top := high - vg.Length(len(heights)-1)*least
	var moved []vg.Length
	for _, c := range all {
		for range c.n {
			moved = append(moved, max(min(mean(c), top), low)+vg.Length(len(moved))*least)
		}
	}
	return moved
}

// logTicks marks 1, 2 and 5 times each power of ten, and more if the values lie
// close together.
func logTicks(lo, hi float64) (ticks []plot.Tick) {
	steps := []float64{1, 2, 5}
	if hi/lo < 20 {
		steps = []float64{1, 1.5, 2, 3, 4, 5, 7}
	}
	for power := math.Pow(10, math.Floor(math.Log10(lo))); power <= hi; power *= 10 {
		for _, k := range steps {
			if v := k * power; v >= lo && v <= hi {
				ticks = append(ticks, tick(v))
			}
		}
	}
	return ticks
}

// linearTicks marks about five round values.
func linearTicks(lo, hi float64) (ticks []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10(hi-lo)))
	for _, k := range []float64{0.1, 0.2, 0.5, 1} {
		if (hi-lo)/(k*step) <= 7 {
			step *= k
			break
		}
	}
	for n := math.Ceil(lo / step); n*step <= hi; n++ {
		ticks = append(ticks, tick(n*step))
	}
	return ticks
}

// tick marks a value, with commas between thousands.
func tick(v float64) plot.Tick {
	label := strconv.FormatFloat(v, 'g', 10, 64)
	if !strings.Contains(label, ".") && len(label) > 4 {
		for i := len(label) - 3; i > 0; i -= 3 {
			label = label[:i] + "," + label[i:]
		}
	}
	return plot.Tick{Value: v, Label: label}
}
