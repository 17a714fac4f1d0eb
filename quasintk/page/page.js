"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const SHAPES = [ // of radius 1, by colour
    "M-1,0a1,1 0 1,0 2,0a1,1 0 1,0 -2,0z",
    "M-.9,-.9h1.8v1.8h-1.8z",
    "M0,-1.2L1.1,.8H-1.1z",
    "M0,-1.3L1.3,0L0,1.3L-1.3,0z",
    "M0,1.2L1.1,-.8H-1.1z",
  ];
  const SIZES = [3.7, 3.5, 3.7, 2.9, 3.2]; // what lies behind still shows
  const RADIUS = 3.5, DODGE = 7, NEAR = 40, MARGIN = { top: 14, right: 14, bottom: 44, left: 64 };

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function drawn(parent, name, attributes = {}, text = null) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== null) made.textContent = text;
    parent.append(made);
    return made;
  }

  // Numbers come as log10, null where they are 0: eigenvalues fall below what a double holds.

  const raised = (n) => String(n).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻");

  function decimal(log, digits = 7) {
    if (log === null) return "0";
    if (log >= -3 && log < 6) return String(Number((10 ** log).toPrecision(digits)));
    let power = Math.floor(log), mantissa = (10 ** (log - power)).toFixed(digits - 1);
    if (mantissa.startsWith("10")) { power += 1; mantissa = (1).toFixed(digits - 1); }
    return `${mantissa} · 10${raised(power)}`;
  }

  // Ticks: [position, label] with position in the axis' own unit (log10 on a logarithmic one).

  function logTicks(low, high, count) {
    if (high - low <= 2.5) {
      const found = [];
      for (let power = Math.floor(low); power <= high; power++) {
        for (const digit of [1, 2, 5]) {
          const at = power + Math.log10(digit);
          if (at >= low - 1e-9 && at <= high + 1e-9) found.push([at, decimal(at, 3)]);
        }
      }
      return found;
    }
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((s) => (high - low) / s <= count) ?? 5000;
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push([at, at ? `10${raised(at)}` : "1"]);
    return found;
  }

  function linearTicks(low, high, count) {
    const rough = (high - low) / count || 1, unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((s) => s * unit >= rough) * unit, found = [];
    for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) {
      found.push([i * step, String(Number((i * step).toPrecision(6)))]);
    }
    return found;
  }

  function axis(values, log, count, isX, wide = 0.02) {
    if (!values.length) return { low: 0, high: 1, ticks: [] };
    let low = Math.min(...values), high = Math.max(...values);
    if (!log && !isX) low = Math.min(low, 0);
    if (isX && !log && high === low) [low, high] = [low - 2, high + 2];
    const pad = (high - low || 1) * (isX ? wide : 0.05);
    [low, high] = [low - (log || isX ? pad : 0), high + pad];
    const distinct = [...new Set(values)];
    if (isX && log && distinct.length <= 8) {
      return { low, high, ticks: distinct.map((at) => [at, decimal(at, 4)]) };
    }
    return { low, high, ticks: log ? logTicks(low, high, count) : linearTicks(low, high, count) };
  }

  // A chart: its state is what is chosen, the axes' kinds, and the point that is looked at.

  class Chart {
    constructor(figure, data) {
      this.figure = figure;
      this.data = data;
      this.chosen = Object.fromEntries(data.switches.map((one) => [one.name, new Set(one.chosen)]));
      this.log = { x: Boolean(data.x.log), y: true };
      this.at = null;
      const controls = element("div", { class: "controls" });
      for (const one of data.switches) controls.append(this.fieldset(one));
      controls.append(this.axisSwitch("y", "Vertical axis"), this.axisSwitch("x", "Horizontal axis"));
      this.plot = element("div", {
        class: "plot", tabindex: "0", role: "application", "aria-roledescription": "chart",
        "aria-label": `${data.title}. Arrow keys move from point to point, Home and End to the ends, Escape leaves.`,
      });
      this.tip = element("div", { class: "tip", role: "status", hidden: "" });
      this.figure.prepend(controls, this.plot);
      this.plot.addEventListener("pointermove", (event) => this.hover(event));
      this.plot.addEventListener("pointerleave", () => this.look(null));
      this.plot.addEventListener("blur", () => this.look(null));
      this.plot.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.draw()).observe(this.plot);
      this.draw();
    }

    fieldset(one) {
      const set = element("fieldset", { class: one.role ? "key-of" : "" }, element("legend", {}, one.label));
      one.options.forEach((option, i) => {
        const input = element("input", { type: one.many ? "checkbox" : "radio", name: `${this.figure.dataset.chart}-${one.name}`, value: option });
        input.checked = this.chosen[one.name].has(option);
        input.addEventListener("change", () => {
          if (!one.many) this.chosen[one.name].clear();
          this.chosen[one.name][input.checked ? "add" : "delete"](option);
          this.draw();
        });
        set.append(element("label", {}, input, this.key_of(one, i), option));
      });
      return set;
    }

    key_of(one, i) {
      if (!one.role) return "";
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("class", "key");
      svg.setAttribute("viewBox", "-7 -5 14 10");
      svg.setAttribute("aria-hidden", "true");
      if (one.role === "line") drawn(svg, "path", { class: i ? "law" : "law dashed", d: "M-7,0H7" });
      else this.marker(svg, one.role === "fill" ? 0 : i + (one.first ?? 0), 0, 0, one.role === "fill" && i === 1, one.role === "fill");
      return svg;
    }

    axisSwitch(which, label) {
      const set = element("fieldset", {}, element("legend", {}, label));
      for (const kind of ["log", "linear"]) {
        const input = element("input", { type: "radio", name: `${this.figure.dataset.chart}-axis-${which}`, value: kind });
        input.checked = this.log[which] === (kind === "log");
        input.addEventListener("change", () => { this.log[which] = kind === "log"; this.draw(); });
        set.append(element("label", {}, input, kind));
      }
      return set;
    }

    marker(parent, colour, x, y, hollow, plain = false) {
      const shape = plain ? 0 : colour % SHAPES.length;
      return drawn(parent, "path", {
        class: `point${plain ? "" : ` c${colour % 5}`}${hollow ? " hollow" : ""}`,
        d: SHAPES[shape], transform: `translate(${x.toFixed(2)},${y.toFixed(2)}) scale(${plain ? RADIUS : SIZES[colour % SIZES.length]})`, "vector-effect": "non-scaling-stroke",
      });
    }

    visible() {
      return this.data.series.filter((one) => Object.entries(one.at).every(([name, value]) => this.chosen[name].has(value)));
    }

    u(x) { return this.log.x ? Math.log10(x) : x; }
    v(log) { return this.log.y ? log : log === null ? 0 : 10 ** log; }
    usable(one, i) { return (one.log10[i] !== null || one.high) && (!this.log.x || one.x[i] > 0); }

    // Where a value is drawn: 0 with an interval stands at the interval's end on a logarithmic axis.
    height(one, i) { return this.v(one.log10[i] ?? (this.log.y ? one.high?.[i] ?? null : null)); }

    points(shown) {
      const found = [];
      for (const one of shown.filter((s) => s.kind === "points")) {
        one.x.forEach((x, i) => {
          if (this.usable(one, i) && this.height(one, i) !== null) found.push({ one, i, x, log: one.log10[i] });
        });
      }
      return found;
    }

    draw() {
      const width = this.plot.clientWidth, height = width < 520 ? 300 : 380;
      if (!width) return;
      const shown = this.visible(), points = this.points(shown);
      const ends = points.flatMap((p) => [this.height(p.one, p.i), ...[p.one.low?.[p.i], p.one.high?.[p.i]].filter((log) => log != null).map((log) => this.v(log))]);
      const X = axis(points.map((p) => this.u(p.x)), this.log.x, width < 520 ? 5 : 8, true, shown.some((one) => one.joined) ? 0.06 : 0.02);
      const Y = axis(ends, this.log.y, 7, false);
      const right = width - MARGIN.right, bottom = height - MARGIN.bottom;
      const px = (u) => MARGIN.left + (u - X.low) / (X.high - X.low) * (right - MARGIN.left);
      const py = (v) => bottom - (v - Y.low) / (Y.high - Y.low) * (bottom - MARGIN.top);
      const svg = document.createElementNS(SVG, "svg"), id = `chart-${this.figure.dataset.chart}`, unit = this.log.y ? 0 : 1;
      for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-labelledby": `${id}-title ${id}-desc` })) svg.setAttribute(key, value);
      drawn(svg, "title", { id: `${id}-title` }, this.data.title);
      drawn(svg, "desc", { id: `${id}-desc` }, this.description(points));
      const clip = drawn(drawn(svg, "clipPath", { id: `${id}-clip` }), "rect", { x: MARGIN.left, y: MARGIN.top - 6 });
      clip.setAttribute("width", right - MARGIN.left + 6);
      clip.setAttribute("height", bottom - MARGIN.top + 12);
      for (const [at, label] of X.ticks) {
        drawn(svg, "line", { class: "grid", x1: px(at), x2: px(at), y1: MARGIN.top, y2: bottom });
        drawn(svg, "text", { x: px(at), y: bottom + 18, "text-anchor": "middle" }, label);
      }
      for (const [at, label] of Y.ticks) {
        drawn(svg, "line", { class: this.data.unit && at === unit ? "unit" : "grid", x1: MARGIN.left, x2: right, y1: py(at), y2: py(at) });
        drawn(svg, "text", { x: MARGIN.left - 8, y: py(at) + 4, "text-anchor": "end" }, label);
      }
      drawn(svg, "text", { class: "title", x: (MARGIN.left + right) / 2, y: height - 6, "text-anchor": "middle" }, this.data.x.label);
      drawn(svg, "text", { class: "title", transform: `translate(13,${(MARGIN.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, this.data.y.label);
      const inside = drawn(svg, "g", { "clip-path": `url(#${id}-clip)` });
      for (const one of shown) this.curve(inside, one, px, py);
      for (const p of points) {
        [p.px, p.py] = [px(this.u(p.x)) + this.aside(p.one), py(this.height(p.one, p.i))];
        if (p.one.high) {
          const low = p.one.low[p.i] === null && this.log.y ? bottom + 6 : py(this.v(p.one.low[p.i]));
          drawn(inside, "path", { class: `bar c${p.one.colour}`, d: `M${p.px},${low}V${py(this.v(p.one.high[p.i] ?? p.log))}` });
        }
        this.marker(inside, p.one.colour, p.px, p.py, p.one.hollow || p.log === null);
      }
      this.halo = drawn(svg, "circle", { class: "halo", r: RADIUS + 3, visibility: "hidden" });
      this.shown = points;
      this.plot.replaceChildren(svg, this.tip);
      this.look(null);
    }

    // Bars of one width stand side by side.
    aside(one) { return one.joined ? (one.colour - 1) * DODGE : 0; }

    curve(parent, one, px, py) {
      if (one.kind !== "line" && !one.joined) return;
      const path = one.x.map((x, i) => [x, i]).filter(([, i]) => this.usable(one, i) && (one.log10[i] !== null || !this.log.y))
        .map(([x, i]) => `${(px(this.u(x)) + this.aside(one)).toFixed(2)},${py(this.height(one, i)).toFixed(2)}`);
      const kind = one.kind === "line" ? `law${one.at.law === "fitted" ? " dashed" : ""}` : "joint";
      if (path.length > 1) drawn(parent, "path", { class: `${kind} c${one.colour}`, d: `M${path.join("L")}` });
    }

    description(points) {
      const names = [...new Set(points.map((p) => p.one.name))];
      return names.map((name) => {
        const own = points.filter((p) => p.one.name === name).sort((a, b) => a.x - b.x), last = own.at(-1);
        return `${name}: ${own.length} points, from ${decimal(own[0].log, 3)} at ${own[0].x} to ${decimal(last.log, 3)} at ${last.x}.`;
      }).join(" ") || "Nothing is chosen.";
    }

    lines(p) {
      const error = p.one.error?.[p.i], found = [`${this.data.x.name} = ${p.x}`, `${this.data.y.name} = ${decimal(p.log)}`];
      if (p.one.error) found.push(error === null ? "relative error not known" : `relative error ${error.toExponential(1)}`);
      if (p.one.high) found.push(`95 % interval ${decimal(p.one.low[p.i], 3)} to ${decimal(p.one.high[p.i], 3)}`);
      return found;
    }

    look(p) {
      this.at = p;
      this.halo?.setAttribute("visibility", p ? "visible" : "hidden");
      this.tip.hidden = !p;
      if (!p) return;
      this.halo.setAttribute("cx", p.px);
      this.halo.setAttribute("cy", p.py);
      this.tip.replaceChildren(element("b", {}, p.one.name), ...this.lines(p).flatMap((text) => [element("br"), text]));
      const { offsetWidth: w, offsetHeight: h } = this.tip, room = this.plot.clientWidth;
      const left = p.px + 12 + w <= room ? p.px + 12 : Math.max(0, p.px - 12 - w);
      this.tip.style.transform = `translate(${left}px, ${Math.max(0, p.py - h - 10)}px)`;
    }

    hover(event) {
      const box = this.plot.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      let best = null, least = NEAR ** 2;
      for (const p of this.shown) {
        const distance = (p.px - x) ** 2 + (p.py - y) ** 2;
        if (distance < least) [best, least] = [p, distance];
      }
      if (best !== this.at) this.look(best);
    }

    key(event) {
      const names = [...new Set(this.shown.map((p) => p.one.name))];
      if (!names.length) return;
      const of = (name) => this.shown.filter((p) => p.one.name === name).sort((a, b) => a.x - b.x);
      const own = of(this.at?.one.name ?? names[0]), place = this.at ? own.indexOf(this.at) : -1;
      const turned = (by) => {
        if (!this.at) return own[0];
        const other = of(names[(names.indexOf(this.at.one.name) + by + names.length) % names.length]);
        return other.reduce((a, b) => (Math.abs(b.x - this.at.x) < Math.abs(a.x - this.at.x) ? b : a));
      };
      const moves = {
        ArrowRight: () => own[Math.min(place + 1, own.length - 1)], ArrowLeft: () => own[Math.max(place - 1, 0)],
        Home: () => own[0], End: () => own.at(-1), ArrowDown: () => turned(1), ArrowUp: () => turned(-1), Escape: () => null,
      };
      if (!(event.key in moves)) return;
      event.preventDefault();
      this.look(moves[event.key]());
    }
  }

  const all = JSON.parse(document.getElementById("charts").textContent);
  for (const figure of document.querySelectorAll("figure.chart")) new Chart(figure, all[figure.dataset.chart]);

  const theme = element("fieldset", {}, element("legend", {}, "Colours"));
  for (const kind of ["system", "light", "dark"]) {
    const input = element("input", { type: "radio", name: "theme", value: kind });
    input.checked = kind === "system";
    input.addEventListener("change", () => {
      if (kind === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = kind;
    });
    theme.append(element("label", {}, input, kind));
  }
  document.getElementById("theme").append(theme);

  // Without a script, and on paper, everything is open.
  const folded = [...document.querySelectorAll("details.folded")], paper = matchMedia("print");
  let before = null;
  function unfold() {
    before ??= folded.map((one) => one.open);
    for (const one of folded) one.open = true;
  }
  function restore() {
    before?.forEach((open, i) => { folded[i].open = open; });
    before = null;
  }
  for (const one of folded) one.open = false;
  if (paper.matches) unfold();
  paper.addEventListener("change", () => (paper.matches ? unfold() : restore()));
  addEventListener("beforeprint", unfold);
  addEventListener("afterprint", restore);
})();
