#!/bin/sh
# The page. Each visit adds one byte to a file on the volume, and the length of the file is the count: appending needs no lock.
# A package has its data at /app/data, a plain image where spec.volumes says.
file=/data/visits
[ ! -d /app/data ] || file=/app/data/visits
if (printf . >>$file) 2>/dev/null; then
  visits=$(wc -c <$file)
  if [ "$visits" -eq 1 ]; then words='1 visit'; else words="$visits visits"; fi
  kept="$words, counted in a file on its volume"
else
  kept='visits are not counted: there is no volume'
fi
greeting=$(echo "${GREETING:-Hello from Holdfast}" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g')
secret='none'
[ -z "$HELLO_TOKEN" ] || secret="given, ${#HELLO_TOKEN} characters long"

printf 'Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
cat <<END
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$greeting</title>
<style>
  :root { color-scheme: light dark; font: 18px/1.5 system-ui, sans-serif; }
  body { margin: 12vh auto; max-width: 34rem; padding: 0 1.5rem; }
  h1 { font-size: 2.2rem; margin: 0 0 1rem; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; }
  dt { opacity: .6; }
  dd { margin: 0; }
</style>
</head>
<body>
<h1>$greeting</h1>
<p>This page comes from a container that is kept as its YAML says.</p>
<dl>
<dt>Container</dt><dd>$(hostname)</dd>
<dt>Visits</dt><dd id="visits">$kept</dd>
<dt>Secret</dt><dd>$secret</dd>
</dl>
</body>
</html>
END
