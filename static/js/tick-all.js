// A group of many boxes with data-tick-all gets a button that ticks all of them, or clears them when all are ticked.
const FEWEST = 5;
const groups = new Map();
for (const box of document.querySelectorAll("input[type=checkbox][data-tick-all]")) {
  groups.set(box.name, [...(groups.get(box.name) ?? []), box]);
}

for (const boxes of groups.values()) {
  if (boxes.length < FEWEST) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-small";
  const areAllTicked = () => boxes.every((box) => box.checked);
  const name = () => {
    button.textContent = areAllTicked() ? `Clear all ${boxes.length}` : `Tick all ${boxes.length}`;
  };
  button.addEventListener("click", () => {
    const ticked = !areAllTicked();
    for (const box of boxes) box.checked = ticked;
    name();
  });
  const group = boxes[0].closest("div[id]");
  group.addEventListener("change", name);
  const line = document.createElement("p");
  line.append(button);
  group.before(line);
  name();
}
