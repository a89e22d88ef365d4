// What the tests ask of the page.
const shown = () => [...document.querySelectorAll("article")].filter((a) => a.checkVisibility()).map((a) => a.id);

// Why somebody who has opened the address of an entry does not see it; nothing where all is well.
const unseen = (code) => {
  const article = document.getElementById(code);
  const heading = article.querySelector("h3 a");
  const box = heading.getBoundingClientRect();
  const hit = document.elementFromPoint(box.left + 4, (box.top + box.bottom) / 2);
  const wrong = [];
  if (!article.matches(":target")) wrong.push("not the target");
  if (box.top < 0 || box.bottom > innerHeight) wrong.push(`from ${box.top} to ${box.bottom} of ${innerHeight}`);
  if (box.left < 0 || box.right > innerWidth) wrong.push(`from ${box.left} to ${box.right} of ${innerWidth}`);
  if (hit !== heading) wrong.push(`covered by ${hit?.outerHTML}`);
  if (document.documentElement.scrollWidth > innerWidth) wrong.push(`${document.documentElement.scrollWidth} wide`);
  return wrong;
};

const numbers = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) =>
  [r, g, b]
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = numbers(getComputedStyle(at).backgroundColor);
    if (color[3] !== 0) return color;
  }
  return [255, 255, 255];
};

// WCAG 2.2, 1.4.3 and 1.4.11: texts and controls that are hard to see.
const faint = () => {
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("select, script")) continue;
    const ratio = contrast(numbers(getComputedStyle(element).color), behind(element));
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 80)}`);
  }
  for (const control of document.querySelectorAll("input, select")) {
    const ratio = contrast(numbers(getComputedStyle(control).borderTopColor), behind(control.parentElement));
    if (ratio < 3) found.push(`${ratio.toFixed(2)} ${control.id}`);
  }
  return found;
};

// What a screen reader goes by, where it is wrong.
const unreadable = () => {
  const wrong = [];
  let before = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.localName[1]);
    if (level > before + 1 || (level === 1 && before > 0)) wrong.push(`h${level} after h${before}: ${heading.textContent}`);
    before = level;
  }
  for (const control of document.querySelectorAll("input, select")) {
    if (!control.labels[0]?.textContent.trim()) wrong.push(`no label: ${control.id}`);
  }
  for (const landmark of ["main", "body > header", "nav[aria-label]", "form[role=search][aria-label]", "[role=status]"]) {
    const number = document.querySelectorAll(landmark).length;
    if (number !== 1) wrong.push(`${number} of ${landmark}`);
  }
  if (document.documentElement.lang !== "en" || !document.title) wrong.push("language or title");
  return wrong;
};

// The element with the focus, and whether that can be seen.
const focus = () => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const visible = outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 && box.left >= 0 && box.bottom > 0;
  return [element.getAttribute("href") ?? element.id, visible];
};
