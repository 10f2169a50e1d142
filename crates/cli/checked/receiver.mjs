// Receivers as the libraries' own documents show them. Each counts its runs, and says the number
// at /count.
import { createServer } from 'node:http'
import { createHmac, timingSafeEqual } from 'node:crypto'

const [kind, port, secret] = [process.argv[2], Number(process.argv[3]), process.env.CHECKED_SECRET]
let runs = 0

const receivers = {
  // https://github.com/octokit/webhooks.js: createNodeMiddleware
  async octokit() {
    const { Webhooks, createNodeMiddleware } = await import('@octokit/webhooks')
    const webhooks = new Webhooks({ secret })
    webhooks.on('issues.opened', () => { runs++ })
    const middleware = createNodeMiddleware(webhooks, { path: '/hooks' })
    createServer(async (request, response) => {
      if (request.url === '/count') return response.end(String(runs))
      if (!(await middleware(request, response))) response.writeHead(404).end()
    }).listen(port, '127.0.0.1')
  },

  // https://docs.slack.dev/tools/bolt-js: HTTPReceiver, its default
  async bolt() {
    const { App } = (await import('@slack/bolt')).default
    const app = new App({
      signingSecret: secret,
      endpoints: '/hooks',
      // Instead of a request to Slack for each token.
      authorize: async () => ({ botToken: 'none', botId: 'B1', botUserId: 'U0' }),
      customRoutes: [{
        path: '/count',
        method: ['GET'],
        handler: (_, response) => response.end(String(runs)),
      }],
    })
    app.event('app_mention', async () => { runs++ })
    await app.start({ port, host: '127.0.0.1' })
  },

  // https://docs.stripe.com/webhooks/quickstart?lang=node: express.raw and constructEvent
  async stripe() {
    const express = (await import('express')).default
    const Stripe = (await import('stripe')).default
    const stripe = new Stripe('sk_test_none')
    const app = express()
    app.get('/count', (_, response) => response.send(String(runs)))
    app.post('/hooks', express.raw({ type: 'application/json' }), (request, response) => {
      let event
      try {
        event = stripe.webhooks.constructEvent(request.body, request.headers['stripe-signature'], secret)
      } catch (error) {
        console.log('Webhook signature verification failed.', error.message)
        return response.sendStatus(400)
      }
      switch (event.type) {
        case 'payment_intent.succeeded':
          runs++
          break
        default:
          console.log(`Unhandled event type ${event.type}.`)
      }
      response.send()
    })
    app.listen(port, '127.0.0.1')
  },

  // What many guides show: the parsed body, printed again, and ===.
  async stringify() {
    const express = (await import('express')).default
    const app = express()
    app.use(express.json())
    app.get('/count', (_, response) => response.send(String(runs)))
    app.post('/hooks', (request, response) => {
      const signature = request.headers['x-webhook-signature']
      const payload = JSON.stringify(request.body)
      const expected = 'sha256=' + createHmac('sha256', secret).update(payload).digest('hex')
      if (signature !== expected) return response.status(401).send('Invalid signature')
      if (request.body.type === 'user.created') runs++
      response.sendStatus(200)
    })
    app.listen(port, '127.0.0.1')
  },

  // What the better guides show: the raw body, and timingSafeEqual.
  async raw() {
    const express = (await import('express')).default
    const app = express()
    app.get('/count', (_, response) => response.send(String(runs)))
    app.post('/hooks', express.raw({ type: 'application/json' }), (request, response) => {
      const signature = request.headers['x-webhook-signature']
      const expected = 'sha256=' + createHmac('sha256', secret).update(request.body).digest('hex')
      if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) {
        return response.status(401).send('Invalid signature')
      }
      const event = JSON.parse(request.body)
      if (event.type === 'user.created') runs++
      response.sendStatus(200)
    })
    app.listen(port, '127.0.0.1')
  },
}

await receivers[kind]()
