// Keys and what goes on: the pages work without it. An element says its key by data-key: a field is focused, the rest clicked.
"use strict";
(() => {
  const typing = (el) => el && (el.matches("input:not([type=checkbox]), textarea, select") || el.isContentEditable);
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row === document.activeElement || row.closest("tr, li")?.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  };
  const help = document.getElementById("keys");
  document.querySelectorAll('a[href="#keys"]').forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    if (!help.open) help.showModal();
  }));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape" && typing(document.activeElement)) return document.activeElement.blur();
    if (typing(event.target) || (help && help.open)) return;
    if (event.key === "j" || event.key === "k") { event.preventDefault(); return step(event.key === "j" ? 1 : -1); }
    if (event.key === "x") {
      const box = document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]");
      if (box) { event.preventDefault(); box.click(); }
      return;
    }
    const wanted = document.querySelector(`[data-key~="${CSS.escape(event.key)}"]`);
    if (!wanted || wanted.matches(":disabled") || event.repeat) return;
    event.preventDefault();
    if (typing(wanted)) { wanted.focus(); wanted.select?.(); } else wanted.click();
  });
  document.querySelectorAll("button[data-copy]").forEach((button) => {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      const said = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = said; }, 1500);
    });
  });
  document.querySelectorAll("select[data-submit]").forEach((field) => field.addEventListener("change", () => field.form.requestSubmit()));
  document.querySelectorAll("form[data-once]").forEach((form) => form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  }));
  document.querySelectorAll("[data-stream]").forEach((place) => {
    const source = new EventSource(place.dataset.stream);
    source.onmessage = (event) => {
      const told = JSON.parse(event.data);
      place.querySelectorAll("[data-told]").forEach((el) => {
        const value = told[el.dataset.told], more = told.more?.[el.dataset.told];
        if (more) el.append(more);
        if (value === undefined) return;
        if (el.tagName === "PROGRESS") el.value = value; else el.textContent = value;
      });
      if (told.done) { source.close(); place.querySelectorAll("[data-meanwhile]").forEach((el) => { el.hidden = true; }); }
      if (told.reload) location.reload();
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      place.removeAttribute("data-stream");
      if ("lost" in place.dataset) location.reload(); // the server has forgotten what it was telling: the page knows more
    };
  });
})();
