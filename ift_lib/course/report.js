// Filters and sorts the answers. Without it the page is complete, and the form stays hidden.
"use strict";
(() => {
  const form = document.querySelector("#filter");
  const list = document.querySelector("#answer-list");
  const count = document.querySelector("#count");
  const cards = [...list.children];
  const words = new Map(cards.map((card) => [
    card, [...card.querySelectorAll(".text")].map((text) => text.textContent).join("\n").toLowerCase(),
  ]));
  const orders = {
    file: (a, b) => a.dataset.place - b.dataset.place,
    worst: (a, b) => a.dataset.f1 - b.dataset.f1 || a.dataset.place - b.dataset.place,
    best: (a, b) => b.dataset.f1 - a.dataset.f1 || a.dataset.place - b.dataset.place,
  };

  function show() {
    const { category, verdict, order, search } = form.elements;
    const sought = search.value.trim().toLowerCase();
    let shown = 0;
    for (const card of cards.sort(orders[order.value])) {
      card.hidden = (category.value !== "" && card.dataset.category !== category.value)
        || (verdict.value !== "" && card.dataset.verdict !== verdict.value)
        || !words.get(card).includes(sought);
      shown += card.hidden ? 0 : 1;
      list.append(card);
    }
    count.textContent = `${shown.toLocaleString("en")} of ${cards.length.toLocaleString("en")} answers`;
  }

  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  form.hidden = false;
  show();
})();
