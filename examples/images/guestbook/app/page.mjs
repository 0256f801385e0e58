/** The page: plain HTML, no script, readable without its style. */

function escaped(text) {
  const names = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(text).replace(/[&<>"']/g, (letter) => names[letter]);
}

const style = `
:root { color-scheme: light dark; --ink: #1f2430; --paper: #f7f5f0; --card: #fff; --line: #e2ddd2; --accent: #8c3b2a; --soft: #6d6a62; }
@media (prefers-color-scheme: dark) { :root { --ink: #ece8df; --paper: #1b1c20; --card: #25272d; --line: #383a42; --accent: #e2917f; --soft: #a3a098; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.6 Georgia, 'DejaVu Serif', serif; }
main { max-width: 44rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
header { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; flex-wrap: wrap; border-bottom: 3px double var(--line); padding-bottom: .75rem; }
h1 { margin: 0; font-size: 2.2rem; letter-spacing: .01em; }
small, .soft { color: var(--soft); font: .85rem/1.5 system-ui, 'DejaVu Sans', sans-serif; }
form { display: grid; gap: .75rem; margin: 1.75rem 0 2.25rem; padding: 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
label { display: grid; gap: .25rem; font: 600 .85rem system-ui, 'DejaVu Sans', sans-serif; }
input, textarea { width: 100%; padding: .6rem .7rem; font: inherit; font-weight: 400; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 6px; }
textarea { min-height: 5.5rem; resize: vertical; }
button { justify-self: start; padding: .6rem 1.4rem; font: 600 .95rem system-ui, 'DejaVu Sans', sans-serif; color: #fff; background: #8c3b2a; border: 0; border-radius: 6px; cursor: pointer; }
button:hover { background: #743022; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem; }
li { padding: 1rem 1.25rem; background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--accent); border-radius: 6px; }
li p { margin: 0 0 .4rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.empty, .away { padding: 2rem; text-align: center; border: 1px dashed var(--line); border-radius: 10px; }
`;

const frame = (title, body) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
</head>
<body><main>${body}</main></body>
</html>
`;

function entry({ name, words, written }) {
  const time = written.toISOString();
  const day = time.slice(0, 16).replace('T', ', ');
  return `<li><p>${escaped(words)}</p><small>${escaped(name)} · <time datetime="${time}">${day} UTC</time></small></li>`;
}

export function page({ entries, count, visits, problem }) {
  const list =
    entries.length === 0
      ? '<p class="empty">Nobody has written anything yet. Be the first.</p>'
      : `<ol>${entries.map(entry).join('\n')}</ol>`;
  const numbers = `<small><span id="entries">${count} ${count === 1 ? 'entry' : 'entries'}</span> · <span id="visits">${visits} ${visits === 1 ? 'visit' : 'visits'}</span></small>`;
  const told = problem === undefined ? '' : `<p role="alert"><strong>${escaped(problem)}</strong></p>`;
  return frame(
    'Guestbook',
    `<header><h1>Guestbook</h1>${numbers}</header>
<form method="post" action="/">
${told}<label>Your name<input name="name" required maxlength="60" autocomplete="name"></label>
<label>A few words<textarea name="words" required maxlength="1000"></textarea></label>
<button>Sign the book</button>
</form>
${list}`,
  );
}

export function awayPage() {
  return frame(
    'Guestbook, in a moment',
    `<header><h1>Guestbook</h1></header>
<div class="away"><p>The book cannot be opened just now.</p>
<p class="soft">Its database does not answer. Nothing is lost; the page asks again by itself in a few seconds.</p></div>`,
  ).replace('<head>', '<head>\n<meta http-equiv="refresh" content="5">');
}
