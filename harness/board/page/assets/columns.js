/* The tables and their columns. */

const task = () => data.tables[state.task].metric;
const oneTask = () => at("scope").value !== "all";
const single = (row, i) => (row.used.length === 1 ? row.used[0][i] : null); // more than one machine has no common value
const board = new Table("board", [
  { name: "rank", number: true, kind: "rank", title: "The ranks that the tests leave inside its task, budget and sparsity; sorted by the first", value: (row) => row.rank, show: (row) => row.place },
  { name: "method", kind: "method", value: (row) => row.method, show: (row) => [symbol(row.method), row.files.length ? make("button", { type: "button", title: "Show its curves over training" }, row.method) : row.method, make("span", { class: "level" }, row.sparsity ? ` ${percent(row.sparsity)}` : "")] },
  { name: "task", value: (row) => data.tables[row.table].title, hidden: oneTask },
  { name: "sparsity", number: true, kind: "level-column", value: (row) => row.sparsity, show: (row) => percent(row.sparsity) },
  { name: "score", label: () => (oneTask() || data.metrics === 1 ? task().told : "result, in the unit of its task"), number: true, down: () => task().better > 0, title: "Mean over seeds ± half a 95 % interval", kind: "score", value: (row) => row.acc, show: (row) => twoLines(row.told) },
  { name: "training FLOPs", number: true, title: "Absolute, and as a multiple of the dense run's", value: (row) => row.flops, show: (row) => twoLines(row.trainFlops) },
  { name: "inference FLOPs", number: true, value: (row) => row.inference, show: (row) => twoLines(row.inferenceFlops) },
  { name: "Pareto", title: "On the front of mean result and training FLOPs of all rows of its task and budget, and in how many of 100 redraws of the seeds", value: (row) => (row.front ? 1 : 0) + (row.often ?? 0), down: true, show: (row) => [row.front ? "front" : "", row.often ? `${Math.round(100 * row.often)} %` : ""].filter(Boolean).join(" ") },
  { name: "wall-clock", number: true, value: (row) => single(row, 1), show: (row) => row.wallClock },
  { name: "peak memory", number: true, value: (row) => single(row, 2), show: (row) => row.memory },
  { name: "energy", number: true, value: (row) => single(row, 3), show: (row) => row.energy },
  { name: "measured speed-up", title: "Latency of the network computed densely, divided by its latency with the fastest format for each layer; sorted by the smallest batch", value: (row) => row.speedup, show: (row) => row.speedups, hidden: () => !data.rows.some((row) => row.deployed.length) },
  { name: "packed file", number: true, value: (row) => row.packedBytes, show: (row) => row.packed, hidden: () => !data.rows.some((row) => row.packedBytes !== null) },
  { name: "explored", number: true, value: (row) => row.explored, show: (row) => (row.explored === null ? "–" : `${row.explored} %`) },
  { name: "hardware", value: (row) => row.hardware },
  { name: "image", value: (row) => row.image },
  { name: "commit", value: (row) => row.commit },
  { name: "made", value: (row) => row.mark, show: (row) => tag(row.mark, row.mark) },
  { name: "status", value: (row) => row.status },
  { name: "not ranked because", kind: "words", value: (row) => row.unranked, show: (row) => row.unranked },
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
  { name: "published", label: () => `published ${task().told}`, number: true, down: () => task().better > 0, value: (cells) => parseFloat(cells[2]), show: (cells) => [tag("theirs", "published"), ` ${cells[2]}`] },
  { name: "ours", label: () => `ours, ${task().told}`, number: true, down: () => task().better > 0, value: (cells) => parseFloat(cells[4]) || null, show: (cells) => (cells[4] === "–" ? "–" : [tag("ours", "ours"), ` ${cells[4]}`]) },
  { name: "their training FLOPs", number: true, value: (cells) => parseFloat(cells[3]) || null, show: (cells) => cells[3] },
  { name: "difference in protocol", kind: "words", value: (cells) => cells[5] },
  { name: "source", kind: "words", value: (cells) => cells[6] },
], { size: 10, empty: "No number that we know of was published on this data set and model at these sparsities." + (data.publishedOn.length ? ` Published figures are kept for ${data.publishedOn.join(", ")}.` : "") });

// Cells as Python wrote them; the method's stay in place while the others scroll.
const plain = (headers) => headers.map((name, i) => ({
  name, kind: name === "method" ? "method" : null, number: name !== "method",
  value: (cells) => { const number = parseFloat(cells[i].replace("[", "")); return name === "method" ? cells[i] : Number.isNaN(number) ? null : number; },
  show: (cells) => (name === "method" && data.styles[cells[i]] ? [symbol(cells[i]), cells[i]] : cells[i]), // one with variants has no style of its own
}));
const breakdown = new Table("breakdown", plain(data.breakdownHeaders));

const failures = new Table("failures", data.failureHeaders.map((name, i) => ({
  name, value: (cells) => cells[i], kind: name === "why" ? "words" : null,
  show: name === "record" ? (cells) => link(cells[i], "record") : name === "status" ? (cells) => make("span", { class: "bad" }, cells[i]) : null,
})), { empty: "None: every run that was started ended as it should." });

const problems = new Table("problems", [
  { name: "file", value: (cells) => cells[0] },
  { name: "why", kind: "words", value: (cells) => cells[1] },
]);
