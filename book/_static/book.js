// What scrolls sideways must be reachable without a mouse: such boxes can be focused.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("pre, .pst-scrollable-table-container, .cell_output, div.math")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});

// The theme's small arrows in the table of contents have no name; they open what their link is about.
document.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll(".bd-sidebar summary")) {
    arrow.ariaLabel = arrow.closest("li")?.querySelector("a")?.textContent.trim() ?? "…";
  }
});
