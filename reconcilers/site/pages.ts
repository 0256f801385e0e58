/** The pages that nginx shows when an App cannot: small, complete in themselves, and they say nothing about the server. */

function page(title: string, text: string, refresh: boolean): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh ? '<meta http-equiv="refresh" content="5">\n' : ''}<title>${title}</title>
<style>
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto 0; padding: 0 1.5rem; color: #222; background: #fff }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } }
</style>
</head>
<body>
<h1>${title}</h1>
<p>${text}</p>
</body>
</html>
`;
}

export const PAGES: Readonly<Record<'unavailable' | 'stopped', string>> = {
  unavailable: page(
    'One moment',
    'This app is starting or not answering. The page tries again every few seconds.',
    true,
  ),
  stopped: page('Stopped', 'This app is stopped. Whoever runs it can start it again.', false),
};
