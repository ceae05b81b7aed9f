// Both languages have the same anchors: the switch leads to the section that is being read.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.(".language-switch a[data-same-page=yes]");
  if (link) link.hash = location.hash;
});
