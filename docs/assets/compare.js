// Comparison of drop-in layers. The choice is the fragment of the address, #layers=moba,fast-attention&show=absolute, so
// that a view can be sent, survives a reload and answers to the back button, also where the page is a file.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("choose");
  const plots = document.getElementById("plots");
  const said = document.getElementById("chosen");
  const copying = document.getElementById("csv");
  const boxes = [...form.querySelectorAll("[name=layer]")];
  const table = document.getElementById("layers");
  // In the order in which they were chosen, which is that of their colours.
  let chosen = [];

  // Drawing.

  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 420;
  const HEIGHT = 280;
  const AREA = { left: 58, right: 12, top: 12, bottom: 42 };

  function make(name, attributes = {}, ...inside) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...inside);
    return element;
  }

  const MARKS = [
    (x, y) => make("circle", { cx: x, cy: y, r: 4 }),
    (x, y) => make("rect", { x: x - 3.7, y: y - 3.7, width: 7.4, height: 7.4 }),
    (x, y) => make("path", { d: `M${x} ${y - 5}l4.8 8.4h-9.6z` }),
    (x, y) => make("path", { d: `M${x} ${y - 5.2}l5.2 5.2l-5.2 5.2l-5.2 -5.2z` }),
    (x, y) => make("path", { d: `M${x} ${y + 5}l4.8 -8.4h-9.6z` }),
    (x, y) => make("circle", { cx: x, cy: y, r: 3.6, class: "hollow" }),
  ];

  function mark(index, x, y, title) {
    const point = index < 0 ? make("rect", { x: x - 2.5, y: y - 2.5, width: 5, height: 5 }) : MARKS[index](x, y);
    point.classList.add("point");
    if (title) point.append(make("title", {}, title));
    return point;
  }

  const colour = (index) => `--colour: var(--line-${index < 0 ? "standard" : index})`;
  const classes = (index) => (index < 0 ? "series standard" : "series");

  function swatch(index) {
    const line = make("line", { x1: 0, x2: 32, y1: 8, y2: 8 });
    const group = make("g", { class: classes(index), style: colour(index) }, line, mark(index, 16, 8));
    return make("svg", { viewBox: "0 0 32 16", "aria-hidden": "true" }, group);
  }

  // Values of the axis: powers of ten, with 2 and 5 between where there are few.
  function ticks(low, high) {
    const found = [];
    const between = Math.log10(high / low) < 2.2 ? [1, 2, 5] : [1];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const step of between) {
        const value = step * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
      }
    return found;
  }

  const tidy = (value) => String(Number(value.toPrecision(3)));
  const lengthOf = (value) => (value % 1024 === 0 ? `${value / 1024}k` : String(value));
  const units = {
    ratio: (value) => `${tidy(value)}×`,
    seconds: (value) => (value < 1e-3 ? `${tidy(value * 1e6)} µs` : value < 1 ? `${tidy(value * 1e3)} ms` : `${tidy(value)} s`),
    bytes: (value) => (value < 2 ** 20 ? `${tidy(value / 2 ** 10)} KiB` : value < 2 ** 30 ? `${tidy(value / 2 ** 20)} MiB` : `${tidy(value / 2 ** 30)} GiB`),
    mebibytes: (value) => (value < 1024 ? `${tidy(value)} MiB` : `${tidy(value / 1024)} GiB`),
    share: (value) => tidy(value),
  };

  // A figure. series: [{name, index, points: [{x, y, spread}]}], x an index of names.
  function panel({ title, below, names, series, unit, logarithmic }) {
    const values = series.flatMap((one) => one.points.map((point) => point.y));
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    figure.append(caption);
    if (!values.length) {
      const nothing = document.createElement("p");
      nothing.textContent = "Nothing was recorded of these layers.";
      figure.append(nothing);
      return figure;
    }
    let [low, high] = logarithmic ? [Math.min(...values), Math.max(...values)] : [0, 1];
    if (logarithmic) [low, high] = [low / 1.3, high * 1.3];
    const scale = logarithmic ? Math.log : (value) => value;
    const inner = { width: WIDTH - AREA.left - AREA.right, height: HEIGHT - AREA.top - AREA.bottom };
    const across = (x) => AREA.left + 10 + (inner.width - 20) * (names.length > 1 ? x / (names.length - 1) : 0.5);
    const up = (y) => AREA.top + inner.height * (1 - (scale(y) - scale(low)) / (scale(high) - scale(low)));
    const told = series.map((one) => {
      const last = one.points[one.points.length - 1];
      return last ? `${one.name} ${unit(last.y)} at ${names[last.x]}` : `${one.name} not recorded`;
    });
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${told.join(", ")}. The table below has the numbers.` });
    for (const value of logarithmic ? ticks(low, high) : [0, 0.25, 0.5, 0.75, 1]) {
      const y = up(value);
      const one = unit === units.ratio && Math.abs(value - 1) < 1e-9;
      svg.append(
        make("line", { class: one ? "grid one" : "grid", x1: AREA.left, x2: WIDTH - AREA.right, y1: y, y2: y }),
        make("text", { x: AREA.left - 6, y: y + 4, "text-anchor": "end" }, unit(value)),
      );
    }
    names.forEach((name, x) => {
      svg.append(
        make("line", { class: "grid", x1: across(x), x2: across(x), y1: HEIGHT - AREA.bottom, y2: HEIGHT - AREA.bottom + 4 }),
        make("text", { x: across(x), y: HEIGHT - AREA.bottom + 18, "text-anchor": "middle" }, name),
      );
    });
    svg.append(make("text", { x: AREA.left + inner.width / 2, y: HEIGHT - 6, "text-anchor": "middle" }, below));
    for (const { name, index, points } of series) {
      const path = points.map(({ x, y }, step) => `${step ? "L" : "M"}${across(x).toFixed(1)} ${up(y).toFixed(1)}`).join("");
      const group = make("g", { class: classes(index), style: colour(index), "data-series": name }, make("path", { d: path }));
      for (const { x, y, spread } of points) {
        if (spread) group.append(make("line", { x1: across(x), x2: across(x), y1: up(Math.min(1, y + spread)), y2: up(Math.max(0, y - spread)) }));
        group.append(mark(index, across(x), up(y), `${name}, ${names[x]}: ${unit(y)}${spread ? ` ± ${tidy(spread)}` : ""}`));
      }
      svg.append(group);
    }
    figure.append(svg);
    return figure;
  }

  const nameOfStandard = (causal) => `standard attention${causal ? "" : ", bidirectional"}`;

  // What passes of a layer show: a ratio, or a figure of its own beside that of standard attention.
  function costs(own, dense, unit, title) {
    const lengths = [...new Set(chosen.flatMap((name) => data.layers[name].passes.map((one) => one.length)))].sort((a, b) => a - b);
    const relative = form.elements.show.value === "ratio";
    const series = chosen.map((name, index) => ({
      name,
      index,
      points: data.layers[name].passes
        .filter((one) => one[own] && one[dense])
        .map((one) => ({ x: lengths.indexOf(one.length), y: relative ? one[own] / one[dense] : unit.of(one[own]) })),
    }));
    if (!relative)
      for (const causal of [true, false]) {
        const least = new Map();
        for (const name of chosen)
          if (data.layers[name].causal === causal)
            for (const one of data.layers[name].passes)
              if (one[dense]) least.set(one.length, Math.min(one[dense], least.get(one.length) ?? Infinity));
        const points = [...least].sort(([a], [b]) => a - b).map(([length, value]) => ({ x: lengths.indexOf(length), y: unit.of(value) }));
        if (points.length) series.push({ name: nameOfStandard(causal), index: -1, points });
      }
    return panel({
      title: relative ? `${title}, standard attention = 1` : `${title}${unit.said}`,
      below: "tokens",
      names: lengths.map(lengthOf),
      series,
      unit: relative ? units.ratio : unit.show,
      logarithmic: true,
    });
  }

  function scores(task) {
    const levels = data.standard[task].map(([level]) => level);
    const points = (rows) => (rows ?? []).map(([level, y, spread]) => ({ x: levels.indexOf(level), y, spread })).filter(({ x }) => x >= 0);
    const series = chosen.map((name, index) => ({ name, index, points: points(data.layers[name].tasks[task]) }));
    series.push({ name: nameOfStandard(true), index: -1, points: points(data.standard[task]) });
    const title = `${task.replace("-", " ").replace(/^./, (letter) => letter.toUpperCase())}: share of right answers`;
    return panel({ title, below: "level", names: levels, series, unit: units.share, logarithmic: false });
  }

  function legend() {
    const list = document.createElement("ul");
    list.className = "legend";
    const rows = [...chosen.map((name, index) => [name, index]), ["standard attention", -1]];
    for (const [name, index] of rows) {
      const item = document.createElement("li");
      const place = document.createElement("span");
      place.className = "mark";
      place.append(swatch(index));
      const more = index < 0 ? "" : [data.layers[name].causal === false ? "bidirectional" : "", data.layers[name].positions === "its own" ? "rotary positions" : ""].filter(Boolean).join(", ");
      item.append(place, more ? `${name} (${more})` : name);
      list.append(item);
    }
    return list;
  }

  function ends() {
    const told = chosen.filter((name) => data.layers[name].ended).map((name) => `${name}: ${data.layers[name].ended}`);
    const text = document.createElement("p");
    text.className = "ends";
    text.textContent = told.length ? `Lines that end early: ${told.join("; ")}.` : "";
    return told.length ? [text] : [];
  }

  // State.

  function read() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const known = (asked.get("layers") ?? "").split(",").filter((name) => name in data.layers);
    chosen = [...new Set(known)].slice(0, data.most);
    form.elements.show.value = asked.get("show") === "absolute" ? "absolute" : "ratio";
  }

  function address() {
    const asked = [];
    if (chosen.length) asked.push(`layers=${chosen.join(",")}`);
    if (form.elements.show.value !== "ratio") asked.push(`show=${form.elements.show.value}`);
    return asked.length ? `#${asked.join("&")}` : location.pathname + location.search;
  }

  function show() {
    const full = chosen.length >= data.most;
    for (const box of boxes) {
      box.checked = chosen.includes(box.value);
      box.disabled = full && !box.checked;
      const place = box.parentElement.querySelector(".mark");
      place.replaceChildren(...(box.checked ? [swatch(chosen.indexOf(box.value))] : []));
    }
    said.textContent = `(${chosen.length} of at most ${data.most})`;
    for (const row of table.tBodies[0].rows) row.hidden = chosen.length > 0 && !chosen.includes(row.dataset.layer);
    document.getElementById("rows").textContent = chosen.length ? `The ${chosen.length} chosen.` : `All ${boxes.length} layers.`;
    plots.hidden = chosen.length === 0;
    if (!chosen.length) return plots.replaceChildren();
    const seconds = { of: (value) => value, show: units.seconds, said: data.processor ? ", processor time" : "" };
    // In MiB, so that ticks are round numbers of those.
    const bytes = { of: (value) => value / 2 ** 20, show: units.mebibytes, said: "" };
    plots.replaceChildren(
      legend(),
      costs("seconds", "dense_seconds", seconds, "Time of a forward pass"),
      costs("peak_bytes", "dense_bytes", bytes, "Memory that a pass adds"),
      ...Object.keys(data.standard).map(scores),
      ...ends(),
    );
  }

  function changed() {
    const to = address();
    if (to !== (location.hash || location.pathname + location.search)) history.pushState(null, "", to);
    show();
  }

  form.addEventListener("change", (event) => {
    if (event.target.name === "layer") {
      const name = event.target.value;
      chosen = event.target.checked ? [...chosen, name].slice(0, data.most) : chosen.filter((other) => other !== name);
    }
    changed();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("none").addEventListener("click", () => {
    chosen = [];
    changed();
    boxes[0].focus();
  });
  for (const event of ["popstate", "pageshow"])
    window.addEventListener(event, () => {
      read();
      show();
    });

  // The table as CSV: the rows that are seen.

  const cell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  function csv() {
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    const lines = rows.map((row) => [...row.cells].map((one) => (one.textContent === "–" ? "" : one.textContent)));
    return `${[data.columns, ...lines].map((line) => line.map(cell).join(",")).join("\n")}\n`;
  }

  copying.addEventListener("click", async () => {
    await window.zooCopy(csv());
    copying.focus();
    copying.textContent = "Copied";
    setTimeout(() => (copying.textContent = "Copy the table as CSV"), 2000);
  });

  form.hidden = false;
  copying.hidden = false;
  read();
  show();
})();
