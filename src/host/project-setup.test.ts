import { expect, test } from 'vitest'
import { type Setup, setupNotices } from './project-setup.ts'

const ready: Setup = {
  network: 'bitcoin',
  servers: ['https://a.example/api', 'https://b.example/api'],
  gateway: 'wss://g.example',
  needsGateway: true,
}
const codes = (change: Partial<Setup>) => setupNotices({ ...ready, ...change }).map((n) => n.code)

test('two servers of different operators and a gateway: nothing is missing', () => {
  expect(codes({})).toEqual([])
})

test('no server is told on every network, one operator alone where money is real', () => {
  expect(codes({ servers: [] })).toEqual(['noServers'])
  expect(codes({ servers: [], network: 'signet' })).toEqual(['noServers'])
  expect(codes({ servers: ['https://a.example/api'] })).toEqual(['oneServer'])
  expect(codes({ servers: ['https://a.example/api'], network: 'signet' })).toEqual([])
  // Two doors of one house, however they are written.
  expect(codes({ servers: ['https://a.example/api', 'http://A.example:8080/v1'] })).toEqual(['oneServer'])
  expect(codes({ servers: ['http://[::1]:3000', 'http://[::1]:3001'] })).toEqual(['oneServer'])
})

test('a gateway is missed only where there is no other way to peers', () => {
  expect(codes({ gateway: '' })).toEqual(['noGateway'])
  expect(codes({ gateway: '', needsGateway: false })).toEqual([])
  expect(codes({ gateway: '', network: 'regtest' })).toEqual([])
})
