// The page is complete without this: it adds the search, and the filter by status.
(() => {
  "use strict";
  const element = (id) => document.getElementById(id);
  const form = element("page:filter");
  const search = element("page:search");
  const status = element("page:status");
  const count = element("page:count");
  const clear = form.querySelector("button");
  const index = document.querySelector("nav details");
  const links = document.querySelectorAll("nav li");

  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  const entries = Array.from(document.querySelectorAll("article"), (article, i) => {
    // Not the example: all of them have the same words in it.
    const texts = Array.from(article.querySelectorAll("h3, .status, dd"), (part) => part.textContent);
    return { article, item: links[i], text: words(texts.join(" ")).join(" ") };
  });

  // The entry that the address names. It is shown whatever the filter says.
  const named = () => {
    let id = location.hash.slice(1);
    try {
      id = decodeURIComponent(id);
    } catch {
      // Then it is taken as it stands.
    }
    return entries.find(({ article }) => article.id === id);
  };

  let saying;
  const say = (text) => {
    // Once the typing pauses, so that a screen reader does not tell every letter.
    clearTimeout(saying);
    saying = setTimeout(() => {
      if (count.textContent !== text) count.textContent = text;
    }, 200);
  };

  const apply = () => {
    const wanted = words(search.value);
    const from = named();
    const filtered = wanted.length > 0 || status.value !== "";
    let matching = 0;
    let extra = "";
    for (const entry of entries) {
      const matches =
        entry.article.dataset.status.startsWith(status.value) &&
        wanted.every((word) => entry.text.includes(word));
      matching += matches ? 1 : 0;
      if (!matches && entry === from) extra = `; ${entry.article.id} is in the address`;
      entry.article.hidden = entry.item.hidden = !matches && entry !== from;
      const link = entry.item.firstElementChild;
      if (entry === from) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
    clear.hidden = !filtered;
    const all = entries.length;
    say(filtered ? `${matching || "None"} of ${all} codes${extra}` : `${all} codes`);
  };

  form.addEventListener("input", apply);
  // When the fields are empty again, which is after the event.
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    entries.find(({ article }) => !article.hidden)?.article.querySelector("a").focus();
  });
  clear.addEventListener("click", () => search.focus());
  addEventListener("hashchange", () => {
    apply();
    named()?.article.scrollIntoView();
  });
  // Also when the browser has filled in what stood in the fields before.
  addEventListener("pageshow", apply);

  // Beside the text there is room for the index, above it there is not.
  const beside = matchMedia("(min-width: 60rem)");
  const fold = () => {
    index.open = beside.matches;
  };
  beside.addEventListener("change", fold);
  fold();
  form.hidden = false;
  apply();
})();
