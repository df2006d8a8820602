// Language, theme, sorting, filters, and the two charts. All data is in the page; nothing is fetched.
"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  root.dataset.scripted = "";

  // ---- language and theme; a file that may not remember them (file://) begins with the reader's own

  const remembered = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private reading */ } };
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const say = (text) => text[root.dataset.language];
  const word = (section, key) => say(data.words[section][key]);

  function setLanguage(language) {
    root.dataset.language = language;
    root.lang = language === "zh" ? "zh-CN" : "en";
    byId("language").textContent = language === "zh" ? "English" : "中文";
    byId("language").lang = language === "zh" ? "en" : "zh-CN";
    remember("llmdvfs-language", language);
    fillChoices();
    drawAll();
  }
  function setTheme(theme) {
    root.dataset.theme = theme;
    remember("llmdvfs-theme", theme);
    drawAll();
  }

  // ---- tables

  function sortBy(header) {
    const table = header.closest("table");
    const index = [...header.parentNode.children].indexOf(header);
    const falling = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.children) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const isNumber = header.classList.contains("number");
    const keyOf = (row) => {
      const cell = row.cells[index];
      return isNumber ? (cell.dataset.sort === undefined ? null : Number(cell.dataset.sort)) : cell.innerText;
    };
    const compare = (a, b) => (isNumber ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row), row]);
    rows.sort(([a], [b]) => (a === null ? 1 : 0) - (b === null ? 1 : 0) || (a === null ? 0 : (falling ? -1 : 1) * compare(a, b)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }
  function filterTable(input) {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of byId(input.dataset.filters).tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((own) => text.includes(own));
      shown += row.hidden ? 0 : 1;
    }
    document.querySelector(`[data-counts="${input.dataset.filters}"]`).textContent = shown;
  }
  for (const button of document.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sortBy(button.parentNode));
  }
  for (const input of document.querySelectorAll("[data-filters]")) {
    input.addEventListener("input", () => filterTable(input));
    filterTable(input);
  }

  // ---- charts: the meanings of colour, marker and line are those of the printed figures

  const LOOKS = {
    single: ["#0072B2", "circle", "solid"], replicated: ["#009E73", "triangle-up", "dashdot"],
    tensor_parallel: ["#CC79A7", "diamond", "longdashdot"], disaggregated: ["#D55E00", "square", "dash"],
    prefill: ["#56B4E9", "cross", "solid"], decode: ["#E69F00", "x", "dash"], transfer: ["#B8A800", "diamond-tall", "dot"],
    external: ["", "triangle-down", "dot"], host: ["", "circle", "solid"], "": ["", "circle", "dot"],
  };
  const MARKERS = ["cross", "x", "hexagon", "triangle-left", "triangle-right", "pentagon", "star", "hourglass"];
  const colourOf = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); // Plotly reads tags
  const lookOf = (name) => { const [colour, ...rest] = LOOKS[name] ?? LOOKS[""]; return [colour || colourOf("--text"), ...rest]; };
  const options = { displayModeBar: false, responsive: true };
  const axis = (title, more = {}) => ({
    title: { text: title }, gridcolor: colourOf("--grid"), zerolinecolor: colourOf("--grid"), linecolor: colourOf("--line"), automargin: true, ...more,
  });
  const layout = (more) => ({
    paper_bgcolor: colourOf("--back"), plot_bgcolor: colourOf("--back"), font: { color: colourOf("--text"), size: 13 },
    margin: { l: 60, r: 12, t: 16, b: 48 }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, hoverlabel: { namelength: -1 }, ...more,
  });
  const choose = (select, values) => {
    const before = select.value;
    select.replaceChildren(...values.map(([value, text]) => Object.assign(document.createElement("option"), { value, textContent: text })));
    const wanted = [before, select.dataset.first].find((own) => values.some(([value]) => value === own));
    if (wanted !== undefined) select.value = wanted;
  };
  const distinct = (values) => [...new Set(values)];

  const deploymentLooks = (() => {
    const seen = {}, looks = {};
    for (const { deployment, architecture } of data.points) {
      if (looks[deployment]) continue;
      const sibling = (seen[architecture] = (seen[architecture] ?? -1) + 1);
      looks[deployment] = () => {
        const [colour, marker, line] = lookOf(architecture);
        return sibling ? [colour, MARKERS[(sibling - 1) % MARKERS.length], ["dot", "longdash", "solid"][sibling % 3]] : [colour, marker, line];
      };
    }
    return looks;
  })();

  // What lies on the horizontal axis, and what has to be held then: points of one line differ in nothing else.
  const OVERS = {
    workload: { x: (p) => p.workload, held: (p) => p.point },
    batch: { x: (p) => p.batch, held: (p) => `${p.sweep}, ${p.point}` },
    clock: { x: (p) => p.clock, held: (p) => p.workload },
  };
  function fillChoices() {
    const overs = Object.keys(OVERS).filter((name) => name === "workload" || distinct(data.points.map(OVERS[name].x).filter((x) => x !== null)).length > 1);
    choose(byId("curve-metric"), Object.entries(data.metrics).map(([name, metric]) => [name, say(metric) + (metric.unit ? ` (${metric.unit})` : "")]));
    choose(byId("curve-over"), overs.map((name) => [name, word("curves", name)]));
    fillHeld();
    choose(byId("timeline-cell"), data.timelines.map(({ cell }) => [cell, cell]));
  }
  function fillHeld() {
    const { x, held } = OVERS[byId("curve-over").value || "workload"];
    const placed = data.points.filter((p) => x(p) !== null);
    const first = placed.find((p) => Object.keys(p.metrics).length > 0); // a point that no launch applied has no values
    if (first) byId("curve-at").dataset.first = held(first);
    choose(byId("curve-at"), distinct(placed.map(held)).map((value) => [value, value]));
  }

  function drawCurves() {
    const name = byId("curve-metric").value, over = byId("curve-over").value, at = byId("curve-at").value;
    const { x, held } = OVERS[over] ?? OVERS.workload;
    const shown = data.points.filter((p) => x(p) !== null && held(p) === at && p.metrics[name]);
    const metric = data.metrics[name];
    const title = metric ? say(metric) + (metric.unit ? ` (${metric.unit})` : "") : word("curves", "empty");
    const traces = distinct(shown.map((p) => p.deployment)).flatMap((deployment) => {
      const own = shown.filter((p) => p.deployment === deployment);
      if (over !== "workload") own.sort((a, b) => x(a) - x(b));
      const [colour, symbol, dash] = deploymentLooks[deployment]();
      const grey = colourOf("--invalid");
      const values = own.map((p) => p.metrics[name]);
      const starts = own.flatMap((p) => p.metrics[name].launches.map(([launch, value, valid]) => [p, launch, value, valid]));
      const place = over === "workload" ? (p) => plain(p.workload) : x;
      return [{
        name: plain(deployment), x: own.map(place), y: values.map((v) => v.mean), customdata: own.map((p) => [p.deployment, p.workload, p.point]),
        mode: over === "workload" ? "markers" : "lines+markers", line: { color: colour, dash }, legendgroup: deployment, offsetgroup: deployment,
        marker: { symbol, size: 10, color: values.map((v) => (v.valid ? colour : grey)), line: { width: 1, color: colour } },
        error_y: { type: "data", symmetric: false, color: colour, thickness: 1.2,
          array: values.map((v) => (v.high === null ? 0 : v.high - v.mean)), arrayminus: values.map((v) => (v.low === null ? 0 : v.mean - v.low)) },
        hovertext: values.map((v) => `${v.mean}${v.low === null ? "" : ` [${v.low}, ${v.high}]`}, n = ${v.n}${v.valid ? "" : `, ${word("curves", "failed_gate")}`}`),
        hovertemplate: "%{x}: %{hovertext}",
      }, {
        name: plain(deployment), x: starts.map(([p]) => place(p)), y: starts.map(([, , value]) => value), mode: "markers", legendgroup: deployment, offsetgroup: deployment, showlegend: false,
        customdata: starts.map(([p, launch]) => [p.deployment, p.workload, p.point, launch]),
        marker: { symbol: `${symbol}-open`, size: 5, color: starts.map(([, , , valid]) => (valid ? colour : grey)) },
        hovertext: starts.map(([, launch, value]) => `${word("column", "launch")} ${launch}: ${value}`), hovertemplate: "%{hovertext}",
      }];
    });
    const plot = byId("curve-plot");
    const xaxis = over === "batch" ? { type: "log", dtick: Math.log10(2) } : over === "workload" ? { type: "category" } : {};
    const heights = shown.map((p) => p.metrics[name].mean);
    const isWide = heights.length > 0 && Math.min(...heights) > 0 && Math.max(...heights) / Math.min(...heights) > 20; // as in the figures
    const grouped = over === "workload" ? { scattermode: "group" } : {};
    const annotations = shown.length > 0 ? [] : [{ text: word("curves", "empty"), showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5 }];
    Plotly.react(plot, traces, layout({ annotations, xaxis: axis(word("curves", over || "workload"), xaxis), yaxis: axis(title, isWide ? { type: "log" } : { rangemode: "tozero" }), ...grouped }), options);
    plot.setAttribute("aria-label", `${word("curves", "of")}: ${title}, ${word("curves", over || "workload")}, ${at}`);
    if (!plot.dataset.listens) {
      plot.dataset.listens = "yes";
      plot.on("plotly_click", ({ points: [point] }) => showCells(point.customdata));
    }
  }

  function showCells(place) {
    const folder = place.length > 3 ? `${place.slice(0, 3).join("/")}/launch-${place[3]}` : `${place.join("/")}/`;
    const rows = [...byId("table-cells").tBodies[0].rows];
    for (const row of rows) row.classList.toggle("chosen", row.id === folder || row.id.startsWith(folder));
    const first = rows.find((row) => row.classList.contains("chosen"));
    if (!first) return;
    const input = document.querySelector('[data-filters="table-cells"]');
    if (first.hidden) { input.value = ""; filterTable(input); }
    byId("timeline-cell").value = first.id;
    drawTimeline();
    first.scrollIntoView({ block: "center" });
    first.querySelector("a").focus({ preventScroll: true });
  }

  const PANELS = ["power_w", "clock_mhz", "utilisation_percent", "requests"];
  function drawTimeline() {
    const own = data.timelines.find(({ cell }) => cell === byId("timeline-cell").value);
    const plot = byId("timeline-plot");
    if (!own) { Plotly.purge(plot); plot.textContent = word("curves", "empty"); return; }
    const panels = PANELS.filter((panel) => own.curves.some((curve) => curve[0] === panel));
    const height = 1 / Math.max(panels.length, 1), axes = {};
    panels.forEach((panel, number) => {
      axes[`yaxis${number + 1}`] = axis(word("timeline", panel), { domain: [1 - (number + 1) * height + 0.03, 1 - number * height - 0.01], rangemode: "tozero", title: { text: word("timeline", panel), font: { size: 12 } } });
    });
    const drawn = {}, listed = new Set(); // each name stands in the legend once, whatever the first panel that has it
    const traces = own.curves.map(([panel, name, role, t_s, values]) => {
      const [colour, , dash] = lookOf(role);
      const again = (drawn[panel + role] = (drawn[panel + role] ?? -1) + 1);
      const isFirst = !listed.has(name);
      listed.add(name);
      return {
        name: plain(role && role !== name ? `${name} (${role})` : name), x: t_s, y: values, mode: "lines", yaxis: `y${panels.indexOf(panel) + 1}`,
        line: { color: colour, width: 1.4, dash: again ? ["dot", "longdash", "dashdot"][again % 3] : dash, shape: panel === "requests" ? "hv" : "linear" },
        legendgroup: name, showlegend: isFirst,
      };
    });
    const [begin, end] = own.window_s;
    const windowShape = { type: "rect", xref: "x", yref: "paper", x0: begin, x1: end, y0: 0, y1: 1, line: { width: 0 }, fillcolor: colourOf("--link"), opacity: 0.06, layer: "below" };
    Plotly.react(plot, traces, layout({ ...axes, xaxis: axis(word("timeline", "time"), { anchor: `y${panels.length}` }), shapes: [windowShape], hovermode: "x unified" }), options);
    plot.setAttribute("aria-label", `${word("curves", "of")}: ${own.cell}, ${panels.map((panel) => word("timeline", panel)).join(", ")}`);
  }

  function drawAll() { drawCurves(); drawTimeline(); }
  byId("curve-metric").addEventListener("change", drawCurves);
  byId("curve-over").addEventListener("change", () => { fillHeld(); drawCurves(); });
  byId("curve-at").addEventListener("change", drawCurves);
  byId("timeline-cell").addEventListener("change", drawTimeline);
  byId("language").addEventListener("click", () => setLanguage(root.dataset.language === "zh" ? "en" : "zh"));
  byId("theme").addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  const theme = remembered("llmdvfs-theme");
  if (theme) root.dataset.theme = theme;
  setLanguage(remembered("llmdvfs-language") ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
})();
