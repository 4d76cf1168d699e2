import { Module } from '@nestjs/common';
import { AccessHook } from './access.hook.js';
import { ApiKeys } from './api-keys.js';
import { OidcTokens } from './oidc-tokens.js';

@Module({ providers: [AccessHook, ApiKeys, OidcTokens], exports: [AccessHook, ApiKeys] })
export class AccessModule {}
