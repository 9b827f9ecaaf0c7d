/* What the reader has chosen, and the rows that it leaves. */

const state = { task: 0, levels: new Set(), hidden: new Set(), run: null };
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const rowsOfTask = () => data.rows.filter((row) => row.table === state.task);
const chosenLevel = (row) => row.sparsity === 0 || state.levels.size === 0 || state.levels.has(row.sparsity);
const chosenMark = (row) => !at("mark").value || row.mark === at("mark").value;
const chosenMethod = (row) => !state.hidden.has(row.method);
const inPlots = (row) => row.acc !== null && chosenLevel(row) && chosenMark(row) && chosenMethod(row);
