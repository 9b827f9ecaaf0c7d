/* The sections around the plots: task, answers, legend, board, one run. */

function showTask() {
  const table = data.tables[state.task];
  state.levels.clear();
  document.querySelectorAll(".metric").forEach((place) => { place.textContent = place.classList.contains("heading") ? table.metric.heading : table.metric.name; });
  fill("levels", ...table.answers.map((answer) => make("button", {
    type: "button", class: "chip", "aria-pressed": "true",
    onclick: () => { toggleLevel(answer.sparsity); },
  }, percent(answer.sparsity))));
  fill("hardware", ...table.hardware.map((name) => make("option", { value: name }, name)));
  fill("measured-on", ...table.measuredOn.map((name) => make("option", { value: name }, name)));
  at("published-choice").hidden = at("published-hint").hidden = !table.publishedPoints.length;
  at("published-lead").hidden = !table.published.length;
  showAnswers();
  at("resolution").textContent = table.resolution;
  at("unranked").textContent = table.unranked;
  at("local").textContent = table.local;
  at("controls").textContent = table.controls;
  at("breakdown-section").hidden = !table.breakdown.length;
  at("breakdown-note").textContent = table.breakdownNote;
  breakdown.show(table.breakdown);
  at("reliability-section").hidden = !table.reliability.rows.length;
  at("reliability-note").textContent = table.reliability.note;
  new Table("reliability", plain(table.reliability.headers)).show(table.reliability.rows);
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
  for (const answer of atLevel) (!made || !answer.mark || answer.mark === made ? shown : others).push(answer);
  fill("answers", ...shown.map((answer) => make("div", { class: "card" }, make("h3", {}, `At ${answer.level}`),
    make("dl", {}, ...answer.lines.flatMap(([name, words]) => [make("dt", {}, name), make("dd", {}, words)])))));
  const note = at("answers-hidden");
  note.hidden = answers.length > 0 && !others.length;
  note.textContent = !answers.length ? "Only the dense reference has been run on this task."
    : `No answer from ${made} runs at ${others.map((answer) => percent(answer.sparsity)).join(", ")}: this table ranks ${others[0]?.mark} rows.`;
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
  at("lost-note").hidden = !rows.some((row) => row.lost);
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
    texts.set(row, [row.method, row.settings, percent(row.sparsity), row.hardware, row.image, row.commit, row.mark, row.status, row.unranked, data.tables[row.table].title].join(" ").toLowerCase());
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
  at("run-neurons").textContent = row.neurons;
  const values = files.flatMap(([number, file]) => {
    const [steps, results, densities] = data.curves[file];
    return steps.map((step, i) => ({ seed: String(number), step, acc: results[i], density: densities[i], color: data.styles[row.method].color }));
  });
  draw("run-score", values.filter((value) => value.acc !== null));
  draw("run-density", values.filter((value) => value.density !== null));
}
