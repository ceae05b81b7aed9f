// What scrolls sideways must be reachable without a mouse: such boxes can be focused.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("pre, .bd-article table, .cell_output, .math")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});
