//! Draws lines over time as an SVG file: one panel for each, below one another. Knows nothing of what they mean.

use std::path::Path;

use plotters::prelude::*;

use super::client::Result;

const WIDTH: u32 = 900;
const PANEL: u32 = 150;

/// One panel.
pub struct Line<'a> {
    /// What is drawn, with its unit.
    pub name: &'a str,
    /// Minutes and values.
    pub points: Vec<(f64, f64)>,
}

/// Draws `lines` into `file`.
pub fn draw(file: &Path, lines: &[Line<'_>]) -> Result<()> {
    let area = SVGBackend::new(file, (WIDTH, PANEL * lines.len() as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    for (panel, line) in area.split_evenly((lines.len(), 1)).iter().zip(lines) {
        let drawn: Vec<_> = line.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        let most = drawn.iter().fold(0.0_f64, |most, (_, value)| most.max(*value));
        let end = line.points.last().map_or(1.0, |(minute, _)| *minute);
        // Over a few minutes several labels would be the same.
        let digits = usize::from(end < 10.0);
        let mut chart = ChartBuilder::on(panel)
            .caption(line.name, ("sans-serif", 15))
            .margin(6)
            .x_label_area_size(22)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..end, 0.0..(most * 1.15).max(f64::EPSILON))?;
        chart
            .configure_mesh()
            .y_labels(4)
            .max_light_lines(0)
            .light_line_style(WHITE)
            .x_label_formatter(&|minute| format!("{minute:.digits$} min"))
            .draw()?;
        chart.draw_series(LineSeries::new(drawn, &BLUE))?;
    }
    area.present()?;
    Ok(())
}
