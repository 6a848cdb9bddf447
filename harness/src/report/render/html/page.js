"use strict";
// Everything a kernel or a guest has said goes into the page as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("tr.case")];
  const search = byId("search"), verdict = byId("verdict"), clause = byId("clause"), shown = byId("shown");
  // Absent where there are no findings.
  const finding = byId("finding");
  const inputs = [search, verdict, clause, finding].filter(Boolean);

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const lines = (text, tone) => {
    const pre = element("pre");
    for (const line of text.replace(/\n$/, "").split("\n")) pre.append(element("span", tone(line), line));
    return pre;
  };
  const transcriptTone = (line) =>
    / FAILED: |   GONE$|\(never returned\)$/.test(line) ? "bad" : /^(case|end) /.test(line) ? "faint" : "";
  const diffTone = (line) =>
    line.startsWith("-") ? "bad" : line.startsWith("+") ? "good" : line.startsWith("@@") ? "faint" : "";

  const numbers = (row) => (row.dataset.findings || "").split(" ").filter(Boolean);

  const part = (title) => {
    const made = element("div", "part");
    if (title) made.append(element("h4", "", title));
    return made;
  };

  // What one or several runs with the same outcome have to say about a case.
  const outcome = (cell, where) => {
    const made = part();
    const title = element("h4");
    title.append(element("span", "word " + cell.tone, cell.word), " ", where);
    made.append(title);
    for (const reason of cell.reasons) made.append(element("p", "", reason));
    if (cell.diff) made.append(element("h4", "", "What is not as reviewed"), lines(cell.diff, diffTone));
    if (cell.text !== null) {
      const steps = cell.steps;
      made.append(lines(data.texts[cell.text], (line) => (steps.includes(line) ? "mark" : transcriptTone(line))));
    }
    for (const splat of cell.splats) {
      made.append(element("h4", "", "Kernel log: " + splat.title));
      made.append(element("p", "where", splat.moment));
      made.append(lines(splat.log, (line) => (splat.starts.includes(line) ? "mark" : "")));
    }
    for (const task of cell.tasks) made.append(lines(task, () => ""));
    if (cell.again) {
      const again = lines(cell.again, () => "");
      again.className = "command";
      made.append(element("p", "where", "Run it again:"), again);
    }
    return made;
  };

  const details = (row) => {
    const entry = data.cases[Number(row.dataset.case)];
    const made = element("tr", "details");
    const cell = made.appendChild(element("td"));
    cell.colSpan = row.cells.length;
    const about = cell.appendChild(element("div", "about"));
    about.append(element("p", "", entry.claim));
    for (const number of numbers(row)) {
      const link = element("a", "", "Finding " + number);
      link.href = "#finding-" + number;
      about.appendChild(element("p")).append(link);
    }
    if (entry.judgement !== "contract") about.append(element("p", "where", "Judgement: " + entry.judgement));
    for (const group of entry.groups) about.append(outcome(group, group.where));
    return made;
  };

  const toggle = (row, open) => {
    const button = row.querySelector("button");
    const isOpen = button.getAttribute("aria-expanded") === "true";
    if (open === undefined) open = !isOpen;
    if (open === isOpen) return;
    button.setAttribute("aria-expanded", String(open));
    row.classList.toggle("open", open);
    if (open) row.after(details(row));
    else row.nextElementSibling.remove();
  };

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = (row.dataset.clause + " " + row.querySelector("button").textContent).toLowerCase();
      const fits =
        words.every((word) => text.includes(word)) &&
        (!clause.value || row.dataset.clause === clause.value) &&
        (!finding || !finding.value || numbers(row).includes(finding.value)) &&
        (!verdict.value ||
          (verdict.value === "problem" ? row.dataset.problem === "1" : row.dataset.words.split(" ").includes(verdict.value)));
      if (!fits) toggle(row, false);
      row.hidden = !fits;
      if (fits) count += 1;
    }
    shown.textContent = count === rows.length ? `${count} cases` : `${count} of ${rows.length} cases`;
  };
  const reset = () => {
    for (const input of inputs) input.value = "";
    filter();
  };
  const reveal = (row) => {
    if (row.hidden) reset();
    toggle(row, true);
    row.scrollIntoView({ block: "start" });
    row.querySelector("button").focus({ preventScroll: true });
  };

  byId("list").addEventListener("click", (event) => {
    const row = event.target.closest("tr.case");
    if (row && event.target.closest("button")) toggle(row);
  });
  for (const input of inputs) input.addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const link of document.querySelectorAll(".clause-link")) {
    link.addEventListener("click", () => {
      reset();
      clause.value = link.dataset.clause;
      filter();
    });
  }
  for (const link of document.querySelectorAll(".finding-link")) {
    link.addEventListener("click", () => {
      reset();
      finding.value = link.dataset.finding;
      filter();
    });
  }
  for (const link of document.querySelectorAll(".case-link")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      history.replaceState(null, "", link.hash);
      reveal(rows[Number(link.dataset.case)]);
    });
  }

  const theme = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };
  byId("theme").addEventListener("click", theme);
  const keys = () => {
    const hidden = (byId("keys").hidden = !byId("keys").hidden);
    byId("keys-button").setAttribute("aria-expanded", String(!hidden));
  };
  byId("keys-button").addEventListener("click", keys);

  const move = (by) => {
    const visible = rows.filter((row) => !row.hidden);
    const here = visible.indexOf(document.activeElement.closest ? document.activeElement.closest("tr.case") : null);
    const next = visible[here < 0 ? (by > 0 ? 0 : visible.length - 1) : here + by];
    if (next) next.querySelector("button").focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") {
      reset();
      document.activeElement.blur();
      return;
    }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const actions = {
      "/": () => search.focus(),
      j: () => move(1),
      k: () => move(-1),
      p: () => {
        verdict.value = verdict.value ? "" : "problem";
        filter();
      },
      t: theme,
      "?": keys,
    };
    if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  });

  const openFinding = () => {
    const found = /^#finding-\d+$/.test(location.hash) && byId(location.hash.slice(1));
    if (found) found.open = true;
  };
  addEventListener("hashchange", openFinding);
  openFinding();
  const wanted = /^#case-(\d+)$/.exec(location.hash);
  if (wanted && rows[Number(wanted[1])]) reveal(rows[Number(wanted[1])]);
})();
