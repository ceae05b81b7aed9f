// What scrolls sideways must be reachable without a mouse: such boxes can be focused.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("pre, .pst-scrollable-table-container, .cell_output, div.math")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});
