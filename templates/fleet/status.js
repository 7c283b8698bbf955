"use strict";
(() => {
  const FIRST = 300; // rows that are drawn before somebody asks for all
  const columns = [
    ["name", "Node"], ["state", "State"], ["why", "Why"], ["gpus", "GPUs"], ["driver", "Driver"], ["kernel", "Kernel"],
    ["image", "Image"], ["age_hours", "Proof"],
  ];
  const order = ["DRAIN", "UNKNOWN", "WARNING", "HEALTHY"];
  const nodes = JSON.parse(document.getElementById("data").textContent);
  const age = (node) => node.age_hours === null ? node.proof : node.proof + ", " +
    (node.age_hours < 48 ? node.age_hours + " h" : Math.floor(node.age_hours / 24) + " d");
  const texts = nodes.map((node) => columns.map(([key]) => {
    if (key === "why") return (node.code ? node.code + " " : "") + node.why.join("\n") + (node.fix ? "\nfix: " + node.fix : "");
    if (key === "image") return node.image || (node.planned ? "planned: " + node.planned : "");
    return key === "age_hours" ? age(node) : String(node[key]);
  }));
  const haystacks = texts.map((cells) => cells.join("\n").toLowerCase());
  const key = (place, column) => {
    if (columns[column][0] === "state") return order.indexOf(nodes[place].state);
    if (columns[column][0] === "age_hours") return nodes[place].age_hours === null ? Infinity : nodes[place].age_hours;
    return texts[place][column];
  };
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const body = document.querySelector("#nodes tbody");
  const words = document.getElementById("filter");
  const state = document.getElementById("state");
  const more = document.getElementById("more");
  let sorted = nodes.map((_, place) => place);
  let by = -1, down = false, most = FIRST;

  const row = (place) => {
    const line = document.createElement("tr");
    texts[place].forEach((text, column) => {
      const cell = document.createElement(column ? "td" : "th");
      cell.textContent = text;
      if (columns[column][0] === "state") cell.className = text;
      if (columns[column][0] === "why") cell.style.whiteSpace = "pre-line";
      line.append(cell);
    });
    return line;
  };
  const draw = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = sorted.filter((place) => (!state.value || nodes[place].state === state.value)
      && wanted.every((word) => haystacks[place].includes(word)));
    body.replaceChildren(...found.slice(0, most).map(row));
    document.getElementById("shown").textContent = found.length + " of " + nodes.length + " nodes"
      + (found.length > most ? ", the first " + most + " are shown" : "");
    more.hidden = found.length <= most;
  };
  const sort = (column, button) => {
    down = by === column && !down;
    by = column;
    sorted.sort((one, other) => {
      const [a, b] = [key(one, column), key(other, column)];
      const less = typeof a === "number" ? (a === b ? 0 : a - b) : compare(a, b);
      return (down ? -less : less) || one - other;
    });
    document.querySelectorAll("#nodes thead th").forEach((head) => head.removeAttribute("aria-sort"));
    button.parentElement.setAttribute("aria-sort", down ? "descending" : "ascending");
    draw();
  };
  columns.forEach(([, title], column) => {
    const head = document.createElement("th"), button = document.createElement("button");
    head.scope = "col";
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => sort(column, button));
    head.append(button);
    document.querySelector("#nodes thead tr").append(head);
  });
  words.addEventListener("input", draw);
  state.addEventListener("input", draw);
  more.addEventListener("click", () => { most = Infinity; draw(); });
  draw();
})();
