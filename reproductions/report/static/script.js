"use strict";
// Filters and the theme. Without this script every claim is shown, in the colours that the system asks for.

const NAMES = ["verdict", "scale", "paper"];
const THEMES = ["auto", "light", "dark"];

function remembered() {
  try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* private windows remember nothing */ }
}

function wanted(form) {
  const data = new FormData(form);
  return Object.fromEntries(NAMES.map((name) => [name, data.getAll(name)]));
}

function matches(item, filter) {
  return NAMES.every((name) => !filter[name].length || !(name in item.dataset) || filter[name].includes(item.dataset[name]));
}

// A claim that the address names stays visible, whatever the filter says.
function named() {
  return location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
}

function apply(form) {
  const filter = wanted(form), target = named(), items = [...document.querySelectorAll("[data-verdict]")];
  let count = 0;
  for (const item of items) {
    const match = matches(item, filter);
    count += match;
    item.classList.toggle("outside", !match && item === target);
    item.hidden = !match && item !== target;
  }
  if (target?.matches(".card")) target.querySelector("details").open = true;
  for (const fold of document.querySelectorAll(".fold")) {
    fold.open = fold.contains(target) || filter.verdict.includes("not run") && fold.querySelector("[data-verdict]") !== null;
  }
  for (const plot of document.querySelectorAll("[data-plot]")) plot.hidden = !matches(plot, filter);
  for (const group of document.querySelectorAll("[data-group]")) {
    group.hidden = group !== target && !group.querySelector("[data-verdict]:not([hidden])");
  }
  for (const link of document.querySelectorAll("aside a")) {
    link.parentElement.hidden = document.getElementById(link.hash.slice(1)).hidden;
  }
  document.getElementById("shown").value = `${count} of ${items.length} claims`;
  document.getElementById("nothing").hidden = count > 0 || document.querySelector(".outside") !== null;
  keep(filter);
}

// The filter is part of the address, so that a filtered page can be linked to and is there again after a reload.
function keep(filter) {
  const query = new URLSearchParams();
  for (const name of NAMES) for (const value of filter[name]) query.append(name, value);
  const search = query.size ? `?${query}` : "";
  try { history.replaceState(null, "", (search || location.pathname) + location.hash); } catch { /* not for this address */ }
  for (const link of document.querySelectorAll("a[data-keep]")) link.search = search;
}

// The comparison: one condition on one task at a time, in the order of one measure. Without this script all are shown.
function choose(form) {
  const {task, condition, measure} = Object.fromEntries(new FormData(form));
  const column = [...form.elements.measure.options].findIndex((option) => option.value === measure);
  const ratio = (row) => Number(row.querySelectorAll("td")[column].dataset.ratio ?? Infinity);
  let shown = 0;
  for (const heat of document.querySelectorAll(".heat")) {
    heat.hidden = heat.dataset.task !== task || heat.dataset.condition !== condition;
    if (heat.hidden) continue;
    shown += 1;
    const body = heat.querySelector("tbody"), ordered = [...body.rows].map((row) => [ratio(row), row]);
    body.append(...ordered.sort(([a], [b]) => a === b ? 0 : a - b).map(([, row]) => row));
  }
  document.getElementById("missing").hidden = shown > 0;
  try { history.replaceState(null, "", `?${new URLSearchParams({task, condition, measure})}`); } catch { /* as above */ }
}

function startChoosing(form) {
  for (const [name, value] of new URLSearchParams(location.search)) {
    const box = form.elements[name];
    if (box && [...box.options].some((option) => option.value === value)) box.value = value;
  }
  form.hidden = false;
  form.addEventListener("change", () => choose(form));
  choose(form);
}

function start() {
  const button = document.getElementById("theme"), form = document.getElementById("filters");
  const label = () => { button.textContent = `theme: ${remembered()}`; };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    setTheme(THEMES[(THEMES.indexOf(remembered()) + 1) % THEMES.length]);
    label();
  });
  const choices = document.getElementById("choose");
  if (choices) startChoosing(choices);
  if (!form) return;  // the history has nothing to filter
  const query = new URLSearchParams(location.search);
  for (const box of form.elements) if (box.name) box.checked = query.getAll(box.name).includes(box.value);
  if (query.size) form.querySelector("details").open = true;
  form.hidden = false;
  form.addEventListener("change", () => apply(form));
  form.addEventListener("reset", () => setTimeout(() => apply(form)));
  window.addEventListener("hashchange", () => { apply(form); named()?.scrollIntoView(); });
  apply(form);
  named()?.scrollIntoView();
}

setTheme(remembered());
document.addEventListener("DOMContentLoaded", start);
