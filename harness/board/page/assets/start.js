/* The start: what never changes, the task to open, what each control does. */

const { counts } = data;
const many = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
at("counts").textContent = `${many(counts.records, "record")}: ${many(counts.done, "run")} on the board, ${counts.failures.toLocaleString("en")} failed · ${many(counts.methods, "method")} · ${many(counts.tasks, "task")} under a budget`;
at("reproductions").hidden = !data.reproductions;
at("reproductions").firstElementChild.setAttribute("href", data.reproductions);
at("disturbed-note").textContent = data.disturbedNote;
at("lost-note").textContent = data.lostNote;
fill("standing-about", ...data.standing.about.map((sentence) => make("p", {}, sentence)));
data.standing.tables.forEach(({ headers, rows }, i) => {
  at("standing").append(make("div", { id: `standing-${i}`, class: "table" }));
  new Table(`standing-${i}`, plain(headers)).show(rows);
});
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
at("measured-on").addEventListener("change", drawMeasured);
at("scope").addEventListener("change", showBoard);
at("filter").addEventListener("input", showBoard);
at("page-size").addEventListener("change", () => { board.size = +at("page-size").value; showBoard(); });
at("run-row").addEventListener("change", () => pickRun(data.rows[+at("run-row").value]));
at("run-seed").addEventListener("change", showRun);
dark.addEventListener("change", redraw);
showTask();
