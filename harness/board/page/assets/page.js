"use strict";
/* The page's own script: it filters and draws what Python has already computed, and ranks nothing. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";

  /* ---- small pieces of the document; text is never taken for markup ---- */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }
  function fill(place, ...children) { at(place).replaceChildren(...children); }
  function symbol(method) {
    const look = data.styles[method];
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "-1.3 -1.3 2.6 2.6");
    svg.setAttribute("class", "symbol");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", data.shapes[look.shape]);
    path.setAttribute("fill", look.filled ? look.color : "none");
    path.setAttribute("stroke", look.color);
    path.setAttribute("stroke-width", ".3");
    svg.append(path);
    return svg;
  }
  function tag(kind, text) { return make("span", { class: `tag ${kind}` }, text); }
  function link(file, text) { return make("a", { href: `${data.records}/${encodeURIComponent(file)}` }, text); }
  const percent = (sparsity) => `${+(100 * sparsity).toPrecision(6)} %`;

  /* ---- a table that sorts, and shows a page at a time ---- */
  // columns: {name, title, value(row) to sort and filter by, show(row) -> node or text, number, kind, noSort, down: whether the first press sorts downward}
  class Table {
    constructor(place, columns, { pick, size = 50, empty = "None." } = {}) {
      Object.assign(this, { place: at(place), columns, pick, size, empty, rows: [], page: 0, sortBy: null, down: false, picked: null, bodies: new Map() });
    }
    show(rows) { this.rows = rows; this.page = 0; this.draw(); }
    sort(column) {
      this.down = this.sortBy === column ? !this.down : Boolean(column.down);
      this.sortBy = column;
      this.page = 0;
      this.draw();
      this.place.querySelector(`th[data-name="${column.name}"] button`).focus();
    }
    highlight(row) {
      this.bodies.get(this.picked)?.classList.remove("picked");
      this.picked = row;
      this.bodies.get(row)?.classList.add("picked");
    }
    sorted() {
      if (!this.sortBy) return this.rows;
      const { value } = this.sortBy;
      const sign = this.down ? -1 : 1;
      const unknown = (x) => x === null || x === undefined || x === "";
      return this.rows.map((row, i) => [value(row), i, row]).sort(([a, i], [b, j]) => {
        if (unknown(a) || unknown(b)) return unknown(a) - unknown(b) || i - j; // what is not known stays last
        return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))) || i - j;
      }).map(([, , row]) => row);
    }
    draw() {
      if (!this.rows.length) { this.place.replaceChildren(make("p", { class: "muted nothing" }, this.empty)); return; }
      const pages = Math.ceil(this.rows.length / this.size);
      const shown = this.sorted().slice(this.page * this.size, (this.page + 1) * this.size);
      const columns = this.columns.filter((column) => !column.hidden || !column.hidden());
      const classes = (column) => [column.number ? "number" : "", column.kind || ""].join(" ").trim() || null;
      const head = columns.map((column) => make("th", {
        class: classes(column), scope: "col", "data-name": column.name,
        "aria-sort": this.sortBy === column ? (this.down ? "descending" : "ascending") : null,
      }, column.noSort ? column.name : make("button", { type: "button", title: column.title, onclick: () => this.sort(column) }, column.name)));
      const press = (row) => (event) => { if (!event.target.closest("a")) this.pick(row); };
      const body = shown.map((row) => make("tr", this.pick ? { class: "pickable", onclick: press(row) } : {},
        ...columns.map((column) => {
          const content = column.show ? column.show(row) : column.value(row);
          return make("td", { class: classes(column) }, ...(Array.isArray(content) ? content : [content ?? "–"]));
        })));
      this.bodies = new Map(shown.map((row, i) => [row, body[i]]));
      this.highlight(this.picked);
      const turn = (by, text) => make("button", {
        type: "button", ...(this.page + by < 0 || this.page + by >= pages ? { disabled: "" } : {}),
        onclick: () => { this.page += by; this.draw(); },
      }, text);
      const first = this.page * this.size + 1;
      const pager = make("div", { class: "pager" },
        `${first}–${first + shown.length - 1} of ${this.rows.length}`, ...(pages > 1 ? [turn(-1, "Previous"), turn(1, "Next")] : []));
      this.place.replaceChildren(
        make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body))),
        pager);
    }
  }

  /* ---- what is chosen ---- */
  const state = { task: 0, levels: new Set(), hidden: new Set(), run: null };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const rowsOfTask = () => data.rows.filter((row) => row.table === state.task);
  const chosenLevel = (row) => row.sparsity === 0 || state.levels.size === 0 || state.levels.has(row.sparsity);
  const chosenMark = (row) => !at("mark").value || row.mark === at("mark").value;
  const chosenMethod = (row) => !state.hidden.has(row.method);
  const inPlots = (row) => row.acc !== null && chosenLevel(row) && chosenMark(row) && chosenMethod(row);

  /* ---- plots ---- */
  function theme() {
    const css = getComputedStyle(document.documentElement);
    const of = (name) => css.getPropertyValue(name).trim();
    const axis = { labelColor: of("--muted"), titleColor: of("--muted"), gridColor: of("--line"), domainColor: of("--line"), tickColor: of("--line"), titleFontWeight: "normal" };
    return {
      background: null, font: "system-ui, sans-serif", view: { stroke: of("--line") }, axis,
      legend: { labelColor: of("--muted"), titleColor: of("--muted") }, text: { color: of("--text") },
      // A spec's own "mark" colour wins over these, so texts name none.
    };
  }
  const drawn = new Map();
  async function draw(id, values, change) {
    const place = at(id);
    drawn.set(id, [values, change]);
    if (!values.some((value) => value.kind !== "published")) {
      place.replaceChildren(make("p", { class: "nothing" }, "Nothing to show with these choices."));
      return;
    }
    // A hollow symbol shows the ground.
    const ground = JSON.stringify(getComputedStyle(document.documentElement).getPropertyValue("--card").trim());
    const spec = JSON.parse(JSON.stringify(data.specs[id]).replaceAll(JSON.stringify(data.ground), ground));
    if (change) change(spec);
    // On a phone names would lie on top of each other; a touch on a point still tells its name.
    if (spec.layer && place.clientWidth < 480) spec.layer = spec.layer.filter((layer) => layer.mark.type !== "text" || id === "exploration");
    spec.data = { name: "points", values };
    const { view } = await vegaEmbed(place, spec, { actions: false, renderer: "svg", config: theme(), logLevel: 1 /* errors only: a layer without data is none */, tooltip: { theme: dark.matches ? "dark" : "light" } });
    views.set(id, view);
    const svg = place.querySelector("svg");
    if (svg) svg.setAttribute("aria-label", place.closest("figure").querySelector("figcaption").textContent);
  }
  // A finger is wider than a point: a press tells of the nearest one, a press elsewhere ends that.
  const REACH = 32; // CSS pixels
  const views = new Map();
  function tell(event) {
    const view = views.get(event.currentTarget.id);
    if (!view) return;
    let [nearest, least] = [null, REACH];
    for (const mark of event.currentTarget.querySelectorAll(".mark-symbol path, .mark-rule line")) {
      const item = mark.__data__; // where Vega's renderer keeps what it drew
      if (!item || !item.tooltip) continue;
      const box = mark.getBoundingClientRect();
      const away = Math.hypot(
        Math.max(box.left - event.clientX, 0, event.clientX - box.right), Math.max(box.top - event.clientY, 0, event.clientY - box.bottom));
      if (away < least) [nearest, least] = [item, away];
    }
    view.tooltip()(null, event, nearest, nearest && nearest.tooltip);
    told = nearest && view;
    const box = at("vg-tooltip-element");
    if (nearest && box) box.style.left = `${Math.max(4, Math.min(parseFloat(box.style.left), innerWidth - box.offsetWidth - 4))}px`;
  }
  let told = null;
  // What was told stays where it was on the screen, and so must go when the plot moves on.
  addEventListener("scroll", (event) => { if (told) told.tooltip()(null, event, null, null); told = null; }, { passive: true });
  document.querySelectorAll(".plot").forEach((place) => place.addEventListener("click", tell));

  function redraw() { for (const [id, [values, change]] of drawn) draw(id, values, change); }

  function points() {
    const rows = rowsOfTask().filter(inPlots);
    const methods = Object.keys(data.styles).filter((method) => rows.some((row) => row.method === method && row.sparsity > 0));
    const spread = 0.3 / Math.max(methods.length, 1);
    const ours = rows.map((row) => ({ ...row, dodged: (1 - row.sparsity) * Math.exp(((methods.length - 1) / 2 - methods.indexOf(row.method)) * spread) }));
    const levels = data.tables[state.task].answers.map((answer) => answer.sparsity);
    const near = (sparsity) => state.levels.size === 0 || [...state.levels].some((level) => Math.abs(sparsity - level) <= 0.1 * (1 - level));
    const theirs = !at("show-published").checked ? [] : data.tables[state.task].publishedPoints
      .filter((point) => point.sparsity > 0 && near(point.sparsity) && !state.hidden.has(point.method))
      .map((point) => ({ ...point, dodged: 1 - point.sparsity, level: percent(point.sparsity), color: (data.styles[point.method] || {}).color || theme().axis.labelColor }));
    return { ours, theirs, levels };
  }
  // As harness/board/pareto.py does over all rows of a table; here over the points that are shown.
  function withFront(rows) {
    const beats = (a, b) => a.flops <= b.flops && a.acc >= b.acc && (a.flops < b.flops || a.acc > b.acc);
    return rows.map((row) => ({ ...row, front: !rows.some((other) => beats(other, row)) }));
  }
  function drawPlots() {
    const { ours, theirs, levels } = points();
    const densities = levels.filter((level) => state.levels.size === 0 || state.levels.has(level)).map((level) => +(1 - level).toPrecision(9));
    draw("by-sparsity", [...ours, ...theirs], (spec) => { if (densities.length) spec.encoding.x.axis.values = densities; });
    draw("by-flops", [...withFront(ours.filter((row) => row.flops !== null)), ...theirs.filter((point) => point.flops !== null)]);
    const explored = ours.filter((row) => row.explored !== null && row.sparsity > 0);
    draw("exploration", explored, (spec) => { spec.height = 25 * new Set(explored.map((row) => row.method)).size; });
    drawSeconds();
  }
  function drawSeconds() {
    const machine = at("hardware").value;
    const timed = points().ours.flatMap((row) => row.used.filter(([name, seconds]) => name === machine && seconds !== null)
      .map(([, seconds]) => ({ ...row, seconds })));
    const disturbed = data.tables[state.task].disturbed.includes(machine);
    at("by-seconds").classList.toggle("disturbed", disturbed);
    at("seconds-note").classList.toggle("warning", disturbed);
    at("seconds-note").textContent = disturbed
      ? "These runs shared the machine or were throttled: their seconds do not compare methods."
      : "One kind of hardware at a time: seconds are not compared across machines.";
    draw("by-seconds", timed);
  }

  /* ---- sections ---- */
  function showTask() {
    const table = data.tables[state.task];
    state.levels.clear();
    fill("levels", ...table.answers.map((answer) => make("button", {
      type: "button", class: "chip", "aria-pressed": "true",
      onclick: () => { toggleLevel(answer.sparsity); },
    }, percent(answer.sparsity))));
    fill("hardware", ...table.hardware.map((name) => make("option", { value: name }, name)));
    at("published-choice").hidden = at("published-hint").hidden = !table.publishedPoints.length;
    at("published-lead").hidden = !table.published.length;
    at("disturbed-note").textContent = data.disturbedNote;
    showAnswers();
    at("protocol").textContent = `${table.title}. ${table.protocol} ${table.hardware.length ? `Made on ${table.hardware.join("; ")}, with torch ${table.torch}.` : ""}`;
    showLegend();
    published.show(table.published);
    const rows = rowsOfTask().filter((row) => row.files.length);
    fill("run-row", ...rows.map((row) => make("option", { value: data.rows.indexOf(row) }, `${row.method}${row.sparsity ? `, ${percent(row.sparsity)}` : ""} (${row.mark})`)));
    const first = rows.find((row) => row.rank === 1) || rows[0];
    if (first) pickRun(first);
    board.highlight(null);
    showBoard();
    drawPlots();
  }
  function showAnswers() {
    const { answers } = data.tables[state.task];
    const atLevel = answers.filter((answer) => state.levels.size === 0 || state.levels.has(answer.sparsity));
    const made = at("mark").value;
    const [shown, others] = [[], []];
    for (const answer of atLevel) (!made || answer.mark === made ? shown : others).push(answer);
    fill("answers", ...shown.map((answer) => make("div", { class: "card" }, make("h3", {}, `At ${answer.level}`),
      make("dl", {}, ...answer.lines.flatMap(([name, words]) => [make("dt", {}, name), make("dd", {}, words)])))));
    const note = at("answers-hidden");
    note.hidden = answers.length > 0 && !others.length;
    note.textContent = !answers.length ? "Only the dense reference has been run on this task."
      : `No answer from ${made} runs at ${others.map((answer) => percent(answer.sparsity)).join(", ")}: the best mean there, if a run is done, comes from others.`;
  }
  // The first press of a level, when all are shown, leaves it alone; the next ones add to it or take away.
  function toggleLevel(level) {
    const all = data.tables[state.task].answers.map((answer) => answer.sparsity);
    const chosen = new Set(state.levels);
    if (chosen.has(level)) chosen.delete(level); else chosen.add(level);
    state.levels = chosen.size === all.length || chosen.size === 0 ? new Set() : chosen;
    at("levels").querySelectorAll("button").forEach((button, i) => {
      button.setAttribute("aria-pressed", String(state.levels.size === 0 || state.levels.has(all[i])));
    });
    showAnswers();
    showBoard();
    drawPlots();
  }
  function showLegend() {
    const present = new Set(rowsOfTask().map((row) => row.method));
    fill("legend", ...Object.keys(data.styles).filter((method) => present.has(method)).map((method) => make("button", {
      type: "button", class: "chip", title: data.about[method], "aria-pressed": String(!state.hidden.has(method)), "data-method": method,
      onclick: () => {
        if (state.hidden.has(method)) state.hidden.delete(method); else state.hidden.add(method);
        showLegend();
        at("legend").querySelector(`[data-method="${CSS.escape(method)}"]`).focus();
        showBoard();
        drawPlots();
      },
    }, symbol(method), method)));
  }
  function showBoard() {
    const words = at("filter").value.toLowerCase().replace(/(\d)\s+%/g, "$1%").split(/\s+/).filter(Boolean);
    const everywhere = at("scope").value === "all";
    const rows = (everywhere ? data.rows : rowsOfTask().filter(chosenLevel)).filter((row) => chosenMark(row) && chosenMethod(row) && words.every((word) => says(row, word)));
    at("disturbed-note").hidden = !rows.some((row) => row.wallClock.includes("†"));
    board.show(rows);
  }
  // "0.95" and "95%" name a sparsity, and that one only; everything else is looked for in the words of the row.
  const known = new Set(data.rows.map((row) => percent(row.sparsity)));
  function says(row, word) {
    const level = /^\d+(\.\d+)?%$/.test(word) ? percent(parseFloat(word) / 100) : /^0?\.\d+$/.test(word) ? percent(+word) : null;
    return known.has(level) ? percent(row.sparsity) === level : text(row).includes(word);
  }
  const texts = new Map();
  function text(row) {
    if (!texts.has(row)) {
      texts.set(row, [row.method, row.settings, percent(row.sparsity), row.hardware, row.image, row.commit, row.mark, row.status, data.tables[row.table].title].join(" ").toLowerCase());
    }
    return texts.get(row);
  }
  function pickRun(row) {
    state.run = row;
    board.highlight(row);
    at("run-row").value = data.rows.indexOf(row);
    fill("run-seed", make("option", { value: "" }, "all seeds"), ...row.files.map(([seed]) => make("option", { value: seed }, `seed ${seed}`)));
    showRun();
  }
  function showRun() {
    const row = state.run;
    const seed = at("run-seed").value;
    const files = row.files.filter(([number]) => seed === "" || String(number) === seed);
    fill("run-record", "Record: ", ...files.slice(0, 8).flatMap(([number, file]) => [link(file, `seed ${number}`), " "]));
    const values = files.flatMap(([number, file]) => {
      const [steps, accuracies, densities] = data.curves[file];
      return steps.map((step, i) => ({ seed: String(number), step, acc: accuracies[i], density: densities[i], color: data.styles[row.method].color }));
    });
    draw("run-accuracy", values.filter((value) => value.acc !== null));
    draw("run-density", values.filter((value) => value.density !== null));
  }

  /* ---- the tables ---- */
  const single = (row, i) => (row.used.length === 1 ? row.used[0][i] : null); // more than one machine has no common value
  const board = new Table("board", [
    { name: "rank", number: true, title: "Inside its task, budget and sparsity", value: (row) => row.rank, show: (row) => row.place },
    { name: "method", kind: "method", value: (row) => row.method, show: (row) => [symbol(row.method), row.files.length ? make("button", { type: "button", title: "Show its curves over training" }, row.method) : row.method, make("span", { class: "level" }, row.sparsity ? ` ${percent(row.sparsity)}` : "")] },
    { name: "task", value: (row) => data.tables[row.table].title, hidden: () => at("scope").value !== "all" },
    { name: "sparsity", number: true, kind: "level-column", value: (row) => row.sparsity, show: (row) => percent(row.sparsity) },
    { name: "top-1 %", number: true, down: true, title: "Mean over seeds ± half a 95 % interval", value: (row) => row.acc, show: (row) => row.told },
    { name: "training FLOPs", number: true, title: "Absolute, and as a multiple of the dense run's", value: (row) => row.flops, show: (row) => row.trainFlops },
    { name: "inference FLOPs", number: true, value: (row) => row.inference, show: (row) => row.inferenceFlops },
    { name: "Pareto", title: "On the front of accuracy and training FLOPs of all rows of its task and budget", value: (row) => (row.front ? "front" : ""), show: (row) => (row.front ? "front" : "") },
    { name: "wall-clock", number: true, value: (row) => single(row, 1), show: (row) => row.wallClock },
    { name: "peak memory", number: true, value: (row) => single(row, 2), show: (row) => row.memory },
    { name: "energy", number: true, value: (row) => single(row, 3), show: (row) => row.energy },
    { name: "explored", number: true, value: (row) => row.explored, show: (row) => (row.explored === null ? "–" : `${row.explored} %`) },
    { name: "hardware", value: (row) => row.hardware },
    { name: "image", value: (row) => row.image },
    { name: "commit", value: (row) => row.commit },
    { name: "made", value: (row) => row.mark, show: (row) => tag(row.mark, row.mark) },
    { name: "status", value: (row) => row.status },
    { name: "records", noSort: true, show: (row) => row.files.slice(0, 8).flatMap(([seed, file]) => [link(file, `s${seed}`), " "]).concat(row.files.length > 8 ? ["…"] : []) },
  ], { pick: (row) => {
    if (!row.files.length) return;
    if (row.table !== state.task) openTask(row.table);
    pickRun(row);
    at("run").scrollIntoView();
    at("run-row").focus({ preventScroll: true });
  }, empty: "No row has all of that." });

  const published = new Table("published", [
    { name: "method", kind: "method", value: (cells) => cells[0] },
    { name: "sparsity", number: true, value: (cells) => +cells[1], show: (cells) => percent(+cells[1]) },
    { name: "published top-1 %", number: true, down: true, value: (cells) => parseFloat(cells[2]), show: (cells) => [tag("theirs", "published"), ` ${cells[2]}`] },
    { name: "ours, top-1 %", number: true, down: true, value: (cells) => parseFloat(cells[4]) || null, show: (cells) => (cells[4] === "–" ? "–" : [tag("ours", "ours"), ` ${cells[4]}`]) },
    { name: "their training FLOPs", number: true, value: (cells) => parseFloat(cells[3]) || null, show: (cells) => cells[3] },
    { name: "difference in protocol", kind: "words", value: (cells) => cells[5] },
    { name: "source", kind: "words", value: (cells) => cells[6] },
  ], { size: 10, empty: "No number that we know of was published on this data set and model at these sparsities." + (data.publishedOn.length ? ` Published figures are kept for ${data.publishedOn.join(", ")}.` : "") });

  const failures = new Table("failures", data.failureHeaders.map((name, i) => ({
    name, value: (cells) => cells[i], kind: name === "why" ? "words" : null,
    show: name === "record" ? (cells) => link(cells[i], "record") : name === "status" ? (cells) => make("span", { class: "bad" }, cells[i]) : null,
  })), { empty: "None: every run that was started ended as it should." });

  const problems = new Table("problems", [
    { name: "file", value: (cells) => cells[0] },
    { name: "why", kind: "words", value: (cells) => cells[1] },
  ]);

  /* ---- start ---- */
  const { counts } = data;
  const many = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  at("counts").textContent = `${many(counts.records, "record")}: ${many(counts.done, "run")} on the board, ${counts.failures.toLocaleString("en")} failed · ${many(counts.methods, "method")} · ${many(counts.tasks, "task")} under a budget`;
  fill("reading", ...data.reading.map((sentence) => make("li", {}, sentence)));
  failures.show(data.failures);
  at("problems-section").hidden = !data.problems.length;
  problems.show(data.problems);

  if (!data.rows.length) {
    at("empty").hidden = false;
    document.querySelectorAll(".board-only").forEach((section) => { section.hidden = true; });
    return;
  }
  fill("task", ...data.tables.map((table, i) => make("option", { value: i }, table.title)));
  // A link may name its task: leaderboard.html#task=<title>.
  const wanted = decodeURIComponent(location.hash.replace(/^#task=/, ""));
  const named = data.tables.findIndex((table) => table.title === wanted);
  state.task = named >= 0 ? named : data.start;
  at("task").value = state.task;
  function openTask(number) {
    state.task = number;
    at("task").value = number;
    history.replaceState(null, "", `#task=${encodeURIComponent(data.tables[state.task].title)}`);
    showTask();
  }
  at("task").addEventListener("change", () => openTask(+at("task").value));
  at("mark").addEventListener("change", () => { showAnswers(); showBoard(); drawPlots(); });
  at("show-published").addEventListener("change", drawPlots);
  at("hardware").addEventListener("change", drawSeconds);
  at("scope").addEventListener("change", showBoard);
  at("filter").addEventListener("input", showBoard);
  at("page-size").addEventListener("change", () => { board.size = +at("page-size").value; showBoard(); });
  at("run-row").addEventListener("change", () => pickRun(data.rows[+at("run-row").value]));
  at("run-seed").addEventListener("change", showRun);
  dark.addEventListener("change", redraw);
  showTask();
})();
