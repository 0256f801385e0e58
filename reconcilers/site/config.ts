/**
 * The whole configuration of nginx as files, from what is wanted. Called by diff.ts. Pure: the same input gives the same bytes,
 * so that an equal text needs no second look. What all Sites share stands once, in nginx.conf; a Site's file has only its own.
 */
import { certificateName } from '../drivers/authority/index.ts';
import { atLeast } from '../drivers/nginx/words.ts';
import { type Directive, quoted, writeConfig } from './directives.ts';
import { PAGES } from './pages.ts';
import type { Serving } from './servings.ts';
import { bracketed, urlOf, type Want, type WantedSite } from './want.ts';

/** What the files depend on beside the Sites. */
export interface Edge {
  /** Of nginx: two directives changed their form. */
  version: string;
  workerUser?: string;
  port: number;
  httpsPort: number;
  addresses: readonly string[];
  /** Folder of the certificates. */
  certificates: string;
}

/** Served to whoever asks for a name that nobody has, by an nginx that cannot refuse the handshake. */
export const NOBODY = ['nobody.invalid'];

export const MAIN = 'nginx.conf';

export function sitePath(name: string): string {
  return `sites/${name}.conf`;
}

/** The Site whose file this is. */
export function siteOfPath(path: string): string | undefined {
  return /^sites\/([^/]+)\.conf$/.exec(path)?.[1];
}

/** New in 1.19.4. */
export function canRejectHandshake(version: string): boolean {
  return atLeast(version, '1.19.4');
}

/** Asked for at every look, and other only when nginx or the addresses are. */
let shared: { key: string; text: string } | undefined;

/** Everything but the Sites. */
export function sharedFiles(edge: Edge): Map<string, string> {
  const key = JSON.stringify(edge);
  if (shared?.key !== key) shared = { key, text: writeConfig('nginx', main(edge)) };
  return new Map([[MAIN, shared.text]]);
}

export function siteText(site: WantedSite, edge: Edge, servings: readonly Serving[]): string {
  return writeConfig(`site/${site.name}`, [
    ...redirects(site, edge),
    ...servings.flatMap((serving) => secures(site, serving, edge)),
  ]);
}

function main(edge: Edge): Directive[] {
  return [
    ...(edge.workerUser === undefined ? [] : [['user', edge.workerUser] as const]),
    ['pid', 'run/nginx.pid'],
    ['error_log', 'logs/error.log warn'],
    ['worker_processes', 'auto'],
    ['worker_rlimit_nofile', '65536'],
    // Old workers of a reload live as long as their last connection; websockets would keep them for days.
    ['worker_shutdown_timeout', '1h'],
    ['events', '', [['worker_connections', '8192']]],
    [
      'http',
      '',
      [
        ...general(),
        ...temporary(),
        ...tls(edge),
        ...limits(),
        ...proxy(),
        ...pages(),
        ...defaults(edge),
        ['include', 'sites/*.conf'],
      ],
    ],
  ];
}

function general(): Directive[] {
  return [
    ['default_type', 'application/octet-stream'],
    ['charset', 'utf-8'],
    ['server_tokens', 'off'],
    // Apps log their own requests; who visits what is kept nowhere else.
    ['access_log', 'off'],
    ['sendfile', 'on'],
    ['tcp_nopush', 'on'],
    ['keepalive_timeout', '65s'],
    ['client_header_timeout', '30s'],
    ['client_body_timeout', '60s'],
    ['client_max_body_size', '0'],
    ['large_client_header_buffers', '4 16k'],
    // Room for the longest host name that there can be, and for some thousands of them.
    ['server_names_hash_bucket_size', '512'],
    ['server_names_hash_max_size', '8192'],
  ];
}

/** Under our own prefix: the built-in places belong to the distribution's nginx. */
function temporary(): Directive[] {
  return [
    ['client_body_temp_path', 'run/body'],
    ['proxy_temp_path', 'run/proxy'],
    ['fastcgi_temp_path', 'run/fastcgi'],
    ['uwsgi_temp_path', 'run/uwsgi'],
    ['scgi_temp_path', 'run/scgi'],
  ];
}

/** Mozilla's "intermediate" list, without the finite-field exchanges, which need parameters and are slow. */
const CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

function tls(edge: Edge): Directive[] {
  return [
    ['ssl_protocols', 'TLSv1.2 TLSv1.3'],
    ['ssl_ciphers', CIPHERS],
    ['ssl_prefer_server_ciphers', 'off'],
    ['ssl_session_cache', 'shared:holdfast:10m'],
    ['ssl_session_timeout', '1d'],
    // Ticket keys would have to be changed every day to keep what forward secrecy promises.
    ['ssl_session_tickets', 'off'],
    ...(hasHttp2Directive(edge) ? [['http2', 'on'] as const] : []),
  ];
}

/** The directive came in 1.25.1; the parameter of listen that it replaces warns since then. */
function hasHttp2Directive(edge: Edge): boolean {
  return atLeast(edge.version, '1.25.1');
}

/** Who may show it in a frame; the values are set for each Site. */
const FRAME_OPTIONS = 'X-Frame-Options';

type Header = readonly [name: string, value: string];

/** Set on every answer, each in place of what the App may say. */
const HEADERS: readonly Header[] = [
  ['X-XSS-Protection', '1; mode=block'],
  ['X-Download-Options', 'noopen'],
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Permitted-Cross-Domain-Policies', 'none'],
  ['Referrer-Policy', 'no-referrer-when-downgrade'],
];

const POLICY = 'Content-Security-Policy';

/** Half a year, and not for subdomains: those may be somebody else's. */
const STRICT_TRANSPORT: readonly [string, string] = ['Strict-Transport-Security', 'max-age=15768000'];

/**
 * Of the App's own: what the platform says in its place, and the version of what it is made with. All in one place: a single one of
 * these in a server or a location, and nginx forgets there all those from above.
 */
const HIDDEN = [FRAME_OPTIONS, ...HEADERS.map(([name]) => name), STRICT_TRANSPORT[0], 'X-Powered-By'];

/** What is posted to a place where people sign in: ten a second from one address, and five more at once. */
const LOGINS_A_SECOND = 10;
const LOGINS_AT_ONCE = 5;

function limits(): Directive[] {
  return [
    [
      'map',
      '$request_method $holdfast_login',
      [
        ['default', "''"],
        ['POST', '$binary_remote_addr'],
      ],
    ],
    ['limit_req_zone', `$holdfast_login zone=holdfast_login:10m rate=${LOGINS_A_SECOND}r/s`],
    ['limit_req_status', '429'],
  ];
}

function proxy(): Directive[] {
  return [
    [
      'map',
      '$http_upgrade $holdfast_connection',
      [
        ['default', 'upgrade'],
        ["''", 'close'],
      ],
    ],
    // With the port, as the browser has it; HTTP/1.0 may come without.
    [
      'map',
      '$http_host $holdfast_host',
      [
        ['default', '$http_host'],
        ["''", '$host'],
      ],
    ],
    ['proxy_http_version', '1.1'],
    ['proxy_set_header', 'Host $holdfast_host'],
    ['proxy_set_header', 'Upgrade $http_upgrade'],
    ['proxy_set_header', 'Connection $holdfast_connection'],
    // Not appended to: what a client claims is worth nothing, and this is the first proxy.
    ['proxy_set_header', 'X-Forwarded-For $remote_addr'],
    ['proxy_set_header', 'X-Real-IP $remote_addr'],
    ['proxy_set_header', 'X-Forwarded-Host $holdfast_host'],
    ['proxy_set_header', 'X-Forwarded-Proto https'],
    ['proxy_set_header', 'X-Forwarded-Ssl on'],
    ...HIDDEN.map((name) => ['proxy_hide_header', name] as const),
    // Uploads and downloads pass through; nothing is put on the disk in between.
    ['proxy_request_buffering', 'off'],
    ['proxy_max_temp_file_size', '0'],
    ['proxy_buffer_size', '128k'],
    ['proxy_buffers', '4 256k'],
    ['proxy_busy_buffers_size', '256k'],
    // A container on this machine answers a connection at once or not at all. The page that says so should not take an hour.
    ['proxy_connect_timeout', '5s'],
    ['proxy_read_timeout', '3500s'],
    ['proxy_send_timeout', '3500s'],
  ];
}

/** For names that nobody has: no answer, and no certificate that would tell who else is here. */
function defaults(edge: Edge): Directive[] {
  const own = `${edge.certificates}/${certificateName(NOBODY)}`;
  const refuse: Directive[] = canRejectHandshake(edge.version)
    ? [['ssl_reject_handshake', 'on']]
    : [
        ['ssl_certificate', quoted(`${own}.pem`)],
        ['ssl_certificate_key', quoted(`${own}.key`)],
      ];
  return [
    ['server', '', [...listen(edge, 'port', ' default_server'), ['server_name', '_'], ['return', '444']]],
    [
      'server',
      '',
      [...listen(edge, 'httpsPort', ' default_server'), ['server_name', '_'], ...refuse, ['return', '444']],
    ],
  ];
}

function listen(edge: Edge, which: 'port' | 'httpsPort', suffix = ''): Directive[] {
  const http2 = hasHttp2Directive(edge) ? '' : ' http2';
  const secured = which === 'httpsPort' ? ` ssl${http2}` : '';
  return edge.addresses.map(
    (address) => ['listen', `${bracketed(address)}:${edge[which]}${secured}${suffix}`] as const,
  );
}

/** One server for each thing that HTTP challenges are answered with: hosts of one Site may follow several Domains. */
function redirects(site: WantedSite, edge: Edge): Directive[] {
  const groups = new Map<string, string[]>();
  for (const host of site.hosts) {
    const print = site.thumbprints.get(host) ?? '';
    groups.set(print, [...(groups.get(print) ?? []), host]);
  }
  return [...groups].map(([print, hosts]) => redirect(hosts, print, edge));
}

function redirect(hosts: readonly string[], print: string, edge: Edge): Directive {
  const port = edge.httpsPort === 443 ? '' : `:${edge.httpsPort}`;
  return [
    'server',
    '',
    [
      ...listen(edge, 'port'),
      ['server_name', hosts.join(' ')],
      ...challenges(print),
      ['location', '/', [['return', `301 https://$host${port}$request_uri`]]],
    ],
  ];
}

/**
 * Authorities that check a host by HTTP ask here, and must not be sent to a certificate that is not there yet. Whatever token they name is
 * answered with it and the account's thumbprint: an order needs no change of the configuration.
 */
function challenges(print: string): Directive[] {
  const nothing: Directive = ['location', '^~ /.well-known/acme-challenge/', [['return', '404']]];
  if (print === '') return [nothing];
  return [
    [
      'location',
      '~ ^/\\.well-known/acme-challenge/([-_a-zA-Z0-9]+)$',
      [
        ['default_type', 'application/octet-stream'],
        ['return', `200 "$1.${print}"`],
      ],
    ],
  ];
}

/** Hosts that show the App, and those that send to another of them. */
function secures(site: WantedSite, { hosts, certificate }: Serving, edge: Edge): Directive[] {
  const { redirectTo } = site;
  const showing = hosts.filter((host) => redirectTo === undefined || host === redirectTo);
  const sending = hosts.filter((host) => !showing.includes(host));
  return [
    ...(showing.length > 0 ? [secure(site, { hosts: showing, certificate }, edge)] : []),
    ...(sending.length > 0 ? [secure(site, { hosts: sending, certificate }, edge, redirectTo)] : []),
  ];
}

function secure(
  site: WantedSite,
  { hosts, certificate }: Serving,
  edge: Edge,
  redirectTo?: string,
): Directive {
  const path = `${edge.certificates}/${certificate}`;
  const headers = [...frameHeaders(site.frameOptions), ...HEADERS];
  if (site.strictTransport) headers.push(STRICT_TRANSPORT);
  const set = headers.map(([name, value]) => ['add_header', `${name} ${quoted(value)} always`] as const);
  return [
    'server',
    '',
    [
      ...listen(edge, 'httpsPort'),
      ['server_name', hosts.join(' ')],
      ['ssl_certificate', quoted(`${path}.pem`)],
      ['ssl_certificate_key', quoted(`${path}.key`)],
      ...set,
      ...(site.modernOnly ? modernOnly() : []),
      ...(redirectTo === undefined ? shown(site, set) : sent(redirectTo, edge)),
    ],
  ];
}

/**
 * Browsers ignore ALLOW-FROM, and go by frame-ancestors where both are there. For SAMEORIGIN it is left out: an App that lets others frame
 * it by a policy of its own would be cut off, since of two policies the stricter one holds.
 */
function frameHeaders(options: string): Header[] {
  const [word = '', origin] = options.split(' ');
  if (word === 'DENY')
    return [
      [FRAME_OPTIONS, 'DENY'],
      [POLICY, "frame-ancestors 'none'"],
    ];
  if (word === 'ALLOW-FROM' && origin !== undefined) return [[POLICY, `frame-ancestors 'self' ${origin}`]];
  return [[FRAME_OPTIONS, 'SAMEORIGIN']];
}

/** nginx chooses the version before it knows the name: older ones are refused in HTTP. */
function modernOnly(): Directive[] {
  return [['if', '($ssl_protocol != TLSv1.3)', [['return', '426']]]];
}

function shown(site: WantedSite, headers: readonly Directive[]): Directive[] {
  return site.stopped ? stopped(headers) : running(site, headers);
}

/** With method and body. Browsers may remember it for an hour only, so that it can be taken back. */
function sent(host: string, edge: Edge): Directive[] {
  return [
    ['add_header', 'Cache-Control max-age=3600 always'],
    ['location', '/', [['return', `308 ${urlOf(host, edge.httpsPort)}$request_uri`]]],
  ];
}

function running({ upstream, loginPaths }: WantedSite, headers: readonly Directive[]): Directive[] {
  const limited = ['limit_req', `zone=holdfast_login burst=${LOGINS_AT_ONCE} nodelay`] as const;
  const target = `http://${bracketed(upstream.address)}:${upstream.port}`;
  return [
    // nginx's own errors only: an App's 503 is the App's page. The code stays what it was.
    ['error_page', '502 503 504 /.holdfast/unavailable'],
    ['location', '/', [['proxy_pass', target]]],
    ...loginPaths.map(
      (path) => ['location', `= ${quoted(path)}`, [limited, ['proxy_pass', target]]] as const,
    ),
    ['location', '= /.holdfast/unavailable', [['internal', ''], ...page('unavailable', headers)]],
  ];
}

function stopped(headers: readonly Directive[]): Directive[] {
  return [['location', '/', page('stopped', headers)]];
}

/** A place that adds a header of its own has none of its server's: they are said again. */
function page(name: keyof typeof PAGES, headers: readonly Directive[]): Directive[] {
  return [
    ...headers,
    ['default_type', 'text/html'],
    ['add_header', 'Cache-Control no-store always'],
    ['add_header', 'Retry-After 5 always'],
    ['return', `503 $holdfast_${name}`],
  ];
}

/** In the configuration and not in files: workers run as a user who may not enter the state folder. */
function pages(): Directive[] {
  return Object.entries(PAGES).map(
    ([name, text]) => ['map', `'' $holdfast_${name}`, [['default', quoted(text)]]] as const,
  );
}

/** Where to listen on this machine. */
export function edgeOf(
  want: Want,
  facts: { version: string; workerUser?: string; ipv6: boolean; certificates: string },
): Edge {
  const { version, workerUser, ipv6, certificates } = facts;
  const addresses = want.http.addresses.filter((address) => ipv6 || !address.includes(':'));
  return {
    version,
    ...(workerUser === undefined ? {} : { workerUser }),
    port: want.http.port,
    httpsPort: want.http.httpsPort,
    addresses,
    certificates,
  };
}
