// A certified authorization server (oidc-provider), as strict as it can be told to be, on a free port of this machine.
// Beside it: /points, an API that looks at its tokens; and below /test what a test turns: the server's clock, an outage
// of its token endpoint, and its counts.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [folder, settings] = [process.argv[2], JSON.parse(readFileSync(0, 'utf8'))]
const { Provider } = await import(pathToFileURL(createRequire(`${folder}/`).resolve('oidc-provider')).href)
const realNow = Date.now
let shift = 0
Date.now = () => realNow() + shift * 1000
let down = 'no'
let waiting = false
const onAsked = []
const counts = {}

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: settings.clients,
    scopes: ['openid', 'offline_access', 'points'],
    pkce: { required: () => true },
    rotateRefreshToken: () => true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    features: { revocation: { enabled: true }, introspection: { enabled: true }, clientCredentials: { enabled: true } },
    ttl: { AccessToken: 3600, AuthorizationCode: 60, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 3600, ClientCredentials: 600, IdToken: 3600 },
    cookies: { keys: ['of-the-tests'] },
  })
  provider.on('grant.success', (ctx) => { const kind = ctx.oidc.params.grant_type; counts[kind] = (counts[kind] ?? 0) + 1 })
  provider.on('grant.error', () => { counts.refused = (counts.refused ?? 0) + 1 })
  const answer = provider.callback()
  server.on('request', async (request, response) => {
    const url = new URL(request.url, issuer)
    const say = (status, body) => { response.writeHead(status, { 'content-type': 'application/json' }); response.end(JSON.stringify(body)) }
    if (url.pathname === '/test/clock') { shift += Number(url.searchParams.get('seconds')); return say(200, { shift }) }
    if (url.pathname === '/test/down') { down = url.searchParams.get('how'); return say(200, { down }) }
    if (url.pathname === '/test/counts') return say(200, counts)
    if (url.pathname === '/test/asked') return waiting ? say(200, {}) : onAsked.push(() => say(200, {}))
    if (down === 'hangs' && url.pathname === '/token') {
      waiting = true
      return onAsked.splice(0).forEach((tell) => tell())
    }
    if (down === 'fails' && url.pathname === '/token') return say(503, { error: 'temporarily_unavailable' })
    if (url.pathname === '/points') {
      const token = await provider.AccessToken.find((request.headers.authorization ?? '').replace('Bearer ', ''))
      if (!token?.isValid) return say(401, { error: 'invalid_token' })
      if (request.method !== 'GET') counts.points = (counts.points ?? 0) + 1
      return say(200, { points: counts.points ?? 0, of: token.accountId })
    }
    return answer(request, response)
  })
  process.stdout.write(`${issuer}\n`)
})
