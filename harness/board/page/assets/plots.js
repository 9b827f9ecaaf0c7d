/* Which of the chosen rows each plot shows. */

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
// As harness/board/page/marks.py does for the picture: in the words of the task's metric.
function reword(spec, metric) {
  const words = { [data.words.axis]: metric.axis, [data.words.validation]: metric.validation, [data.words.told]: metric.told };
  const walk = (part) => {
    if (Array.isArray(part)) part.forEach(walk);
    else if (part && typeof part === "object") {
      if (Object.hasOwn(words, part.title)) part.title = words[part.title];
      Object.values(part).forEach(walk);
    }
  };
  walk(spec);
  for (const param of spec.params || []) param.value = metric[param.name];
}
// As harness/board/pareto.py does over all rows of a table; here over the points that are shown.
function withFront(rows) {
  const { better } = data.tables[state.task].metric;
  const gain = (row) => better * row.acc;
  const beats = (a, b) => a.flops <= b.flops && gain(a) >= gain(b) && (a.flops < b.flops || gain(a) > gain(b));
  return rows.map((row) => ({ ...row, front: !rows.some((other) => beats(other, row)) }));
}
function drawPlots() {
  const { ours, theirs, levels } = points();
  const densities = levels.filter((level) => state.levels.size === 0 || state.levels.has(level)).map((level) => +(1 - level).toPrecision(9));
  draw("by-sparsity", [...ours, ...theirs], (spec) => { if (densities.length) spec.encoding.x.axis.values = densities; });
  const priced = withFront(ours.filter((row) => row.flops !== null));
  draw("by-flops", [...priced, ...theirs.filter((point) => point.flops !== null)]);
  showFront(priced.filter((row) => row.front).sort((a, b) => a.flops - b.flops));
  drawExplored(ours.filter((row) => row.explored !== null && row.sparsity > 0));
  drawSeconds();
  drawMeasured();
}
// The front's names are listed below the plot: inside it they would be printed over points and each other.
function showFront(rows) {
  fill("front", ...rows.map((row) => make("li", { title: `${row.told} at ${row.trainFlops} training FLOPs` }, symbol(row.method), row.label)));
}
function drawExplored(rows) {
  const mixed = new Set(rows.map((row) => row.mark)).size > 1;
  const cells = rows.map((row) => ({ ...row, line: mixed && row.mark === "local" ? `${row.method} (local)` : row.method }));
  const order = Object.keys(data.styles);
  cells.sort((a, b) => order.indexOf(a.method) - order.indexOf(b.method));
  const lines = [...new Set(cells.map((cell) => cell.line))];
  const columns = new Set(cells.map((cell) => cell.sparsity)).size;
  draw("exploration", cells, (spec) => {
    spec.encoding.y.sort = lines;
    spec.height = 24 * lines.length;
    const [NAMES, NUMBER] = [120, 26]; // pixels that the names of methods, and one number, take
    if ((at("exploration").clientWidth - NAMES) / columns < NUMBER) spec.layer = spec.layer.filter((layer) => layer.mark.type !== "text");
  });
}
function drawSeconds() {
  const machine = at("hardware").value;
  const timed = points().ours.flatMap((row) => row.used.filter(([name, seconds]) => name === machine && seconds !== null)
    .map(([, seconds]) => ({ ...row, seconds })));
  const disturbed = data.tables[state.task].disturbed.includes(machine);
  const comparable = !disturbed && timed.length > 1;
  at("hardware-choice").hidden = data.tables[state.task].hardware.length < 2;
  at("by-seconds").hidden = !comparable;
  at("seconds-note").classList.toggle("warning", disturbed);
  at("seconds-note").textContent = comparable
    ? `On ${machine}. Seconds are never compared across machines.`
    : disturbed
      ? `Nothing to compare on ${machine}: these runs shared the machine or were throttled, so their seconds are not the methods' own. The table marks them with †.`
      : "Nothing to compare: fewer than two of the rows shown have a time on this hardware.";
  if (comparable) draw("by-seconds", timed);
  else forget("by-seconds");
}
function drawMeasured() {
  const wanted = at("measured-on").value;
  const values = points().ours.flatMap((row) => row.deployed.filter(([on, share]) => on === wanted && share !== null)
    .map(([, share, speedup, latency, seeds]) => ({ ...row, share, speedup, latency, seeds })));
  at("measured-figure").hidden = !data.tables[state.task].measuredOn.length;
  if (values.length) draw("measured-speed", values);
  else forget("measured-speed");
}
