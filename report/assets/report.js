// Draws the charts of a report from the JSON in the page, and draws them anew
// when the page changes its size or its colours.
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colorOf = (series) => css(series.color < 0 ? "--text" : "--hue" + series.color);
  const font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif";
  // Not by colour alone: doing nothing is dashed.
  const dash = (series) => (series.color === 0 ? [7, 4] : []);

  // A space after each three digits, and three digits in all where they matter.
  function number(v) {
    const size = Math.abs(v);
    const digits = size >= 100 || Number.isInteger(v) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
    const [whole, part] = v.toFixed(digits).split(".");
    const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
    return part ? grouped + "." + part : grouped;
  }
  const withUnit = (v, axis) => number(v) + (axis.unit ? "\u202f" + axis.unit : "");

  // Ticks need no more digits than tell them apart.
  function ticks(values) {
    const step = values.length > 1 ? Math.abs(values[1] - values[0]) : 1;
    let digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
    const scaled = step * Math.pow(10, digits);
    if (Math.abs(scaled - Math.round(scaled)) > 1e-6) digits++; // a step of 2.5
    return values.map((v) => {
      const [whole, part] = v.toFixed(digits).split(".");
      const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
      return part ? grouped + "." + part : grouped;
    });
  }

  // On a logarithmic axis 1, 2 and 5 are enough to read by, and 1 if it is long.
  function logTicks(values) {
    const known = values.filter((v) => v !== null && v > 0);
    const decades = known.length ? Math.log10(known[known.length - 1] / known[0]) : 0;
    const firsts = decades > 3.5 ? [1] : [1, 2, 5];
    return values.map((v) => {
      if (v === null) return "";
      const first = v / Math.pow(10, Math.floor(Math.log10(v) + 1e-9));
      return firsts.some((n) => Math.abs(first - n) < 1e-6) ? String(Number(v.toPrecision(3))) : "";
    });
  }

  function pathsOf(chart) {
    switch (chart.kind) {
      case "steps":
        return uPlot.paths.stepped({ align: 1 });
      case "columns":
        return uPlot.paths.bars({ size: [0.8 / chart.series.length, 60], align: 0 });
      default:
        return uPlot.paths.linear();
    }
  }

  // All series of a chart on one list of x. Columns of several strategies
  // stand side by side.
  function aligned(chart) {
    const n = chart.series.length;
    const shift = (i) => (chart.kind === "columns" ? ((i - (n - 1) / 2) * 0.8 * stepOf(chart)) / n : 0);
    return uPlot.join(chart.series.map((s, i) => [s.x.map((x) => x + shift(i)), s.y]));
  }
  const stepOf = (chart) => {
    const x = chart.series[0].x;
    return x.length > 1 ? x[1] - x[0] : 1;
  };

  // The place of the legend shows the values under the pointer.
  function legend(chart, element, at) {
    const values = chart.series.map((s) => {
      const item = document.createElement("span");
      const swatch = document.createElement("span");
      const value = document.createElement("b");
      swatch.className = "swatch";
      swatch.style.setProperty("--c", s.color < 0 ? "var(--text)" : "var(--hue" + s.color + ")");
      item.append(swatch, s.name + " ", value);
      element.append(item);
      return value;
    });
    at.textContent = "";
    return (u) => {
      const i = u.cursor.idx;
      const here = i != null && u.cursor.left >= 0;
      at.textContent = here ? "at " + withUnit(Math.round(u.data[0][i] * 1000) / 1000, chart.x) : "";
      if (here && chart.kind === "columns") at.textContent = number(Math.round(u.data[0][i])) + " nodes";
      values.forEach((value, s) => {
        let v = here ? u.data[s + 1][i] : null;
        if (here && v == null && chart.kind === "columns") {
          const k = chart.series[s].x.indexOf(Math.round(u.data[0][i]));
          v = k < 0 ? null : chart.series[s].y[k];
        }
        value.textContent = v == null ? "" : withUnit(v, chart.y);
      });
    };
  }

  function draw(chart) {
    const figure = document.getElementById(chart.name);
    const place = figure.querySelector(".plot");
    const key = figure.querySelector(".legend");
    place.replaceChildren();
    key.replaceChildren();
    const show = legend(chart, key, figure.querySelector(".at"));
    const data = aligned(chart);
    const columns = chart.kind === "columns";
    const axis = (more) => ({
      stroke: css("--muted"), font, labelFont: font, ticks: { show: false }, gap: 6, ...more,
    });
    const overTime = chart.x.label === "simulated time";
    const half = stepOf(chart) / 2;
    const whole = (u, low, high) => low === u.data[0][0] && high === u.data[0].at(-1); // not zoomed
    return new uPlot({
      width: place.clientWidth,
      height: place.clientHeight,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 7, show: !columns },
        drag: { x: true, y: false },
        sync: overTime ? { key: "time" } : undefined,
      },
      scales: {
        x: {
          time: false,
          distr: chart.x.log ? 3 : 1,
          range: columns ? (u, low, high) => [low - half * 1.2, high + half * 1.2]
            : chart.x.log ? (u, low, high) => [low, high * 1.05]
            : (u, low, high) => whole(u, low, high) ? [0, chart.x.max || high * 1.05 || 1] : [low, high],
        },
        y: { range: (u, low, high) => [0, chart.y.unit === "%" && high > 90 && high <= 100 ? 100 : high > 0 ? high * 1.06 : 1] },
      },
      axes: [
        axis({
          label: chart.x.unit ? chart.x.label + " (" + chart.x.unit + ")" : chart.x.label,
          labelSize: 22, size: 30,
          grid: { show: !columns, stroke: css("--faint"), width: 1 },
          values: chart.x.log ? (u, v) => logTicks(v) : (u, v) => ticks(v),
          filter: (u, splits) => splits,
          incrs: columns ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000, 1000000] : undefined,
        }),
        axis({
          size: (u, values) => 14 + 7 * Math.max(2, ...(values || []).map((v) => v.length)),
          grid: { stroke: css("--line"), width: 1 },
          values: (u, v) => ticks(v),
        }),
      ],
      series: [
        {},
        ...chart.series.map((s) => ({
          label: s.name,
          stroke: colorOf(s),
          fill: columns ? colorOf(s) : undefined,
          width: columns ? 0 : 2,
          dash: columns ? undefined : dash(s),
          paths: pathsOf(chart),
          points: { show: !columns && s.x.length === 1 },
          spanGaps: false,
        })),
      ],
      hooks: { setCursor: [show] },
    }, data, place);
  }

  let drawn = [];
  function drawAll() {
    drawn.forEach((u) => u.destroy());
    drawn = charts.map(draw);
  }
  drawAll();

  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    drawAll();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // Paper is white.
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    drawAll();
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    drawAll();
  });
})();
