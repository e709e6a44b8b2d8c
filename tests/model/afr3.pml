/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* afr3.pml - third bounded model of the replication of cluster/afr: lean; one key, home first, no leases.
 *
 * Three bricks (-DNB=2: two) that leave the view, join, are healed and promoted; NT operations (txns) on one key.
 * Made to be small enough for exhaustive runs where afr2.pml is not:
 *   - a request is no slot but a permission: txn t may be executed or answered from replay by brick b in view w once its client was in w
 *     (snt), by a brick that is not home once home has answered in w (snh): every delay, loss, repetition and reordering of requests;
 *   - the register is atomic, views are changed by an oracle M (anyone may be evicted at any time: mode quorum);
 *     the clients learn views one after the other, a brick installs any decided view that names it, each at any time;
 *   - owning, opening and reading by the settler is one step (afr2.pml has the steps); a client's settling of a conflict is one, with -DSTEPC two;
 *   - a process crash is one step, since a brick that is away is one that does nothing; so is a cut link: the session ends there, an answer may be lost.
 * A txn's client owns the key by its journal entry at home; there are no leases and no grant numbers of operations.
 * An object's state is the list of the txns executed on it (base 4, newest lowest).
 *
 * Sizes:  -DMAXV= views after the first, -DMAXF= faults, -DNT= txns (1 to 3), -DINITF= first full set.  Txns 0 and 1 are of clients 0 and 1;
 *         -DPIPE: txns 0 and 1 are of client 0, both in flight, txn 2 is of client 1.  -DNS=2: two settlers.  -DNOABORT: a seal is not given up.
 * Faults: -DF_DIE client 0 dies, -DF_DIE1 client 1, -DF_PC process crash, -DF_LINK the session of a live client ends at one brick, -DF_SYNC the settler dies,
 *         -DF_ERR no space at a brick (nothing done), -DF_HALF an operation half done, that cannot be undone, at a brick.
 * Asserted: I1, I2, I4, I5; I7: an operation whose error was returned is on no full member; when nothing moves: everybody is served (DEADLOCK), nothing in doubt (STUCK).
 * -DCOVER, -DCOVERE: vacuity checks, must fail.
 * Rules:  -DNO_R_X takes one out; the others of afr.pml and afr2.pml are built in (busy, foreign, forget, reg, new answers, doubt dirty, join after).
 *   R_SEAL, R_SPREAD, R_YIELD, R_DGEN   as there
 *   R_IMPDIRTY  an impose counts as an execution: the target puts the key into D of the bricks that are not members
 *   R_DMARK     joiners mark D as full members do, and keep what they have marked (in place of R_DINHERIT; -DDFORGET: they forget it)
 *   R_COMWAIT   a client settles no conflict at a brick that has answered, and does not commit at one where it does so
 *   R_REG       impose only onto a key that is open for this settler
 *   R_CLEAROWN  a doubt is cleared only while the key is open for this settler, at home only while it owns it
 *   R_PRED      an operation names the one of the same client on the same key before it that is neither acknowledged nor failed; no brick executes it
 *               without knowing that one.  R_PREDHOME: home neither
 *   R_ERRYIELD  an error at home is returned at once only if home never answered success before: else the key is settled first
 *   R_HALFOUT   a brick with a half done operation serves nothing until it has been evicted.  R_HALFJ: it keeps the journal entry
 */
#ifndef NB
#define NB 3
#endif
#ifndef NT
#define NT 1
#endif
#ifndef MAXF
#define MAXF 0
#endif
#ifndef NS
#define NS 1
#endif
#define ALLB ((1<<NB)-1)
#define ALLT ((1<<NT)-1)
#ifndef INITF
#define INITF ALLB
#endif
#define IN(m,b) (((m)>>(b))&1)
#define LOW(f) ((f)&1 -> 0 : ((f)&2 -> 1 : 2))
#define HOME(v) LOW(vF[v])
#define MEMB(v) (vF[v]|vJ[v])
#ifdef PIPE
#define CLI(t) ((t)<2 -> 0 : 1)
#define MINE(c) ((c)==0 -> 3 : 4)
#define PRED(t) ((t)==1 -> 1 : 0)    /* mask */
#else
#define CLI(t) (t)
#define MINE(c) (1<<(c))
#define PRED(t) 0
#endif
#define NC 2
byte vF[MAXV+1], vJ[MAXV+1], nv;
byte iv[NB], ch[NB], kn[NB], fl[NB], dt[NB], dty[NB];      /* view, state, replay table, journal, txns in doubt, D: bit j = brick j lacks the key */
byte dk, sl;                                                   /* masks of bricks: key in doubt, sealed */
byte opn[NB], ow[NB];                                         /* who has the key open (settler s: s+1, conflict of txn t: 4+t), which settler owns it (s+1) */
byte cv[NC]; bool dead[NC]; byte gone[NC];                   /* gone: bricks where the session of the dead client has ended */
byte st[NT], an[NT], cm[NT], av[NT], snt[NT], snh[NT]; bool jok[NT]; /* 1 under way, 2 acknowledged */
byte spc[NS], syv[NS], sval[NS], skn[NS], stg[NS], sdone[NS], sclr[NS], rmk[NS]; /* settlers; rmk: bricks whose D was marked again */
byte cst[NT], cvw[NT], cval[NT], ckn[NT], cfl[NT];            /* conflict settled by the client: brick+1, view, what it read at home */
byte nf, acked, pr, failed;
byte er, br; bool ye[NT], oth[NT];                                   /* bricks out of space, bricks out of service; client has had the key settled before it returns the error */
byte x, y, z, i, h;                                           /* scratch, always reset */
#define HAST(l,t) (((l)&3)==(t)+1 || (((l)>>2)&3)==(t)+1 || ((l)>>4)==(t)+1)
inline PROJ(l,r) { z=l; r=0; do :: z -> if :: (z>>4) && IN(acked,(z>>4)-1) -> r=r*4+(z>>4) :: else fi; z=(z<<2)&63 :: else -> break od }
#define IDLE (!spc[0] && !spc[NS-1] && !cst[0] && !cst[NT>>1] && !cst[NT-1])
#define QUIET(b) (!IN(MEMB(nv),b) || (iv[b]==nv && !fl[b] && !IN(dk,b)))
#if NB==3
#define ABC(P) (P(0) && P(1) && P(2))
#else
#define ABC(P) (P(0) && P(1))
#endif
#define LACKS(b) (IN(vF[nv],b) && ((NT>0 && IN(acked,0) && !HAST(ch[b],0)) || (NT>1 && IN(acked,1) && !HAST(ch[b],1)) || (NT>2 && IN(acked,2) && !HAST(ch[b],2))))
#define HAPP(b) (failed && IN(vF[nv],b) && ((IN(failed,0) && HAST(ch[b],0)) || (NT>1 && IN(failed,1) && HAST(ch[b],1)) || (NT>2 && IN(failed,2) && HAST(ch[b],2))))
inline ORDER(b) { if :: IN(vF[nv],b) -> PROJ(ch[b],y); assert(x==y) /* I2 */; y=0 :: else fi }
#define DIFFERS(b) (IN(vF[nv],b) && ch[b]!=ch[HOME(nv)])
inline CHECK() {
  printf("v%d F%d J%d | iv %d%d%d ch %d,%d,%d kn %d%d%d fl %d%d%d doubt %d D %d,%d,%d sealed %d | cv %d an %d st %d cm %d | settler %d\n", nv, vF[nv], vJ[nv], iv[0], iv[1], iv[NB-1],
    ch[0], ch[1], ch[NB-1], kn[0], kn[1], kn[NB-1], fl[0], fl[1], fl[NB-1], dk, dty[0], dty[1], dty[NB-1], sl, cv[0], an[0], st[0], cm[0], spc[0]);   /* spin -t prints the trace; verification does not print */
#ifdef COVER    /* vacuity: evict, join, promote with everything acknowledged */
  assert(!(acked==ALLT && nv==MAXV && vF[nv]==ALLB && vF[nv-1]!=ALLB && ABC(QUIET))) /* COVER */;
#endif
#ifdef COVERE   /* vacuity: an error is returned although other members had executed */
  assert(!(oth[0] && failed)) /* COVERE */;
#endif
  assert(!LACKS(0) && !LACKS(1) && !LACKS(NB-1)) /* I1 */;
  assert(!HAPP(0) && !HAPP(1) && !HAPP(NB-1)) /* I7 */;
  if :: NT>1 && (acked&(acked-1)) -> PROJ(ch[HOME(nv)],x); ORDER(0); ORDER(1); ORDER(NB-1); x=0 :: else fi;
  if :: ABC(QUIET) && IDLE && !vJ[nv] && !(br&vF[nv]) -> assert(!DIFFERS(0) && !DIFFERS(1) && !DIFFERS(NB-1)) /* I5 */ :: else fi
}
/* the key into D of brick b for those who are not full members, unless they are joiners and jn=0 (there the journal entry is the mark) */
#ifndef NO_R_DMARK
#define MARKS(b) IN(MEMB(iv[b]),b)
#else
#define MARKS(b) IN(vF[iv[b]],b)
#endif
#define AGAINM(b) rmk[0]=rmk[0]|(1<<(b)); rmk[NS-1]=rmk[NS-1]|(1<<(b))
#define DSET(b,a) if :: MARKS(b) && ((a)&~(1<<(b))) -> dty[b]=dty[b]|((a)&~(1<<(b))); AGAINM(b) :: else fi
#define ABSENT(w) (ALLB&~MEMB(w))
#define NOTF(w) (ALLB&~vF[w])
inline DOUBT(b,m) { if :: fl[b]&(m) -> dt[b]=dt[b]|(fl[b]&(m)); fl[b]=fl[b]&~(m); dk=dk|(1<<b); DSET(b,NOTF(iv[b])) :: else fi }
inline INSTALL(b,w) {
  iv[b]=w; sl=sl&~(1<<b); opn[b]=0; ow[b]=0;
  if :: IN(vJ[w],b) -> DOUBT(b,ALLT); br=br&~(1<<b); er=er&~(1<<b);
#ifdef DFORGET   /* what it knew about the others is thrown away when it joins */
        dty[b]=0
#endif
     :: IN(vF[w],b) -> if :: fl[b] || IN(dk,b) -> DSET(b,NOTF(w)) :: else fi
     :: else fi;
  /* requests of views that no brick has any more */
  x=iv[0]; if :: iv[1]<x -> x=iv[1] :: else fi; if :: iv[NB-1]<x -> x=iv[NB-1] :: else fi;
  i=0; do :: i<NT -> snt[i]=(snt[i]>>x)<<x; snh[i]=(snh[i]>>x)<<x; i++ :: else -> break od; i=0; x=0;
  CHECK()
}
inline NEWVIEW(f,j) { nv++; vF[nv]=f; vJ[nv]=j; pr=0; CHECK() }
#define INST(b,f) (!IN(f,b) || (iv[b]==nv && !IN(br,b)))
#define ALLIN(f) (INST(0,f) && INST(1,f) && INST(NB-1,f))
#define CLEAN(b) (iv[b]==nv && !IN(br,b) && !fl[b] && !IN(dk,b) && (!IN(vF[nv],b) || !(dty[b]&vJ[nv])))
#define EV(b) (nv<MAXV && IN(MEMB(nv),b) && (vF[nv]&~(1<<(b))) && ALLIN(vF[nv]&~(1<<(b))))
#define JO(b) (nv<MAXV && !vJ[nv] && !IN(MEMB(nv),b) && ALLIN(vF[nv]))
/* views, and what one brick does by itself */
proctype M(byte b) {
end: do
  :: d_step { EV(b) -> y=vF[nv]&~(1<<b); z=vJ[nv]&~(1<<b); NEWVIEW(y,z); y=0; z=0 }
  :: d_step { JO(b) -> y=vF[nv]; z=1<<b; NEWVIEW(y,z); y=0; z=0 }
#ifndef NO_R_SEAL
  :: d_step { nv<MAXV && vJ[nv] && IN(MEMB(nv),b) && !IN(sl,b) && CLEAN(b) -> sl=sl|(1<<b); pr=pr|(1<<b) }
#else
  :: d_step { nv<MAXV && vJ[nv] && IN(MEMB(nv),b) && !IN(pr,b) && CLEAN(b) -> pr=pr|(1<<b) }
#endif
  :: d_step { b==0 && nv<MAXV && vJ[nv] && pr==MEMB(nv) -> y=MEMB(nv); NEWVIEW(y,0); y=0 }
#ifndef NOABORT
  :: d_step { b==0 && nv<MAXV && vJ[nv] && sl && ALLIN(vF[nv]) -> y=vF[nv]; z=vJ[nv]; NEWVIEW(y,z); y=0; z=0 }  /* seal given up */
#endif
  :: d_step { iv[b]<nv && IN(MEMB(nv),b) -> h=nv; INSTALL(b,h); h=0 }
  :: d_step { iv[b]+1<nv && IN(MEMB(iv[b]+1),b) -> h=iv[b]+1; INSTALL(b,h); h=0 }
#ifdef F_PC
  :: d_step { nf<MAXF && (opn[b] || ow[b]) -> nf++; opn[b]=0; ow[b]=0 }
#endif
  od
}
#define TOK(t) (st[t]==1 && !dead[CLI(t)])
proctype Client(byte c) {
end: do
  :: d_step { !dead[c] && cv[c]<nv -> cv[c]++; i=0; do :: i<NT -> if :: CLI(i)==c -> an[i]=0; ye[i]=0; if :: st[i]==1 -> snt[i]=snt[i]|(1<<cv[c]) :: else fi :: else fi; i++ :: else -> break od; i=0 }
#if defined(F_DIE) || defined(F_DIE1)
#ifndef F_DIE
  :: d_step { c==1 && !dead[c] && nf<MAXF ->
#elif defined(F_DIE1)
  :: d_step { !dead[c] && nf<MAXF ->
#else
  :: d_step { c==0 && !dead[c] && nf<MAXF ->
#endif
       nf++; dead[c]=1; cv[c]=0; i=0; do :: i<NT -> if :: CLI(i)==c -> an[i]=0; cm[i]=0; av[i]=0; jok[i]=0 :: else fi; i++ :: else -> break od; i=0 }
#endif
  od
}
inline ENDSESS(c,b) { DOUBT(b,MINE(c)); if :: opn[b]>=4 && IN(MINE(c),opn[b]-4) -> opn[b]=0 :: else fi }
#define FOREIGN(t,b) (fl[b]&~MINE(CLI(t)))
#if !defined(NO_R_PRED) && !defined(NO_R_PREDHOME)
#define PREDOK(t,b) (!(PRED(t)&~(kn[b]|acked|failed)))
#elif defined(NO_R_PREDHOME)   /* only bricks that are not home look */
#define PREDOK(t,b) (HOME(iv[b])==(b) || !(PRED(t)&~(kn[b]|acked|failed)))
#else
#define PREDOK(t,b) 1
#endif
#define SYNOWNS(b) (ow[b])
#define CANREQ(t,b) (IN(MEMB(iv[b]),b) && IN(snt[t],iv[b]) && !IN(gone[CLI(t)],b) && !IN(sl,b) && !IN(br,b) && st[t]==1)
inline CLRD(b) { dt[b]=0; dk=dk&~(1<<b) }
inline CRESET(t) { cst[t]=0; cvw[t]=0; cval[t]=0; ckn[t]=0; cfl[t]=0 }
#ifndef NO_R_REG
#define COPEN(t,b) (opn[b]==4+(t))
#define SOPEN(b) (opn[b]==s+1)
#else
#define COPEN(t,b) 1
#define SOPEN(b) 1
#endif
#define ISHOME(b) (HOME(iv[b])==(b))
#ifdef F_ERR
#define OTHERS(t) oth[t]=1      /* home has answered: from now on others may have it */
#else
#define OTHERS(t) skip
#endif
inline ANSWER(t,b) { if :: !dead[CLI(t)] && cv[CLI(t)]==iv[b] -> an[t]=an[t]|(1<<b); if :: ISHOME(b) -> snh[t]=snh[t]|(1<<iv[b]); OTHERS(t) :: else fi :: else fi }
/* own txn in doubt, or a doubt at home, or own and foreign entries at home */
#define YB(c,b) (iv[b]==cv[c] && IN(MEMB(cv[c]),b) && ((dt[b]&MINE(c)) || (ISHOME(b) && (IN(dk,b) || ((fl[b]&MINE(c)) && (fl[b]&~MINE(c)))))))
#define MUSTYIELD(c) (YB(c,0) || YB(c,1) || YB(c,NB-1))
proctype Pair(byte t; byte b) {
end: do
#define CANEXEC(t,b) (CANREQ(t,b) && !IN(kn[b],t) && !IN(dk,b) && !FOREIGN(t,b) && PREDOK(t,b) && (ISHOME(b) -> !SYNOWNS(b) : IN(snh[t],iv[b])))
  :: d_step { CANEXEC(t,b) && !IN(er,b) && !IN(fl[b],t) ->      /* execute */
       assert(!HAST(ch[b],t)) /* I4 */;
       ch[b]=(ch[b]<<2)|(t+1); kn[b]=kn[b]|(1<<t); fl[b]=fl[b]|(1<<t); opn[b]=0; DSET(b,ABSENT(iv[b]));
       if :: vJ[iv[b]] -> AGAINM(b) :: else fi; ANSWER(t,b); CHECK() }
  :: d_step { CANREQ(t,b) && IN(kn[b],t) && !IN(dk,b) && (ISHOME(b) -> !SYNOWNS(b) && !FOREIGN(t,b) : IN(snh[t],iv[b])) && (!IN(fl[b],t) || (TOK(t) && cv[CLI(t)]==iv[b] && !IN(an[t],b))) ->         /* replay */
       fl[b]=fl[b]|(1<<t); opn[b]=0; DSET(b,ABSENT(iv[b])); ANSWER(t,b); CHECK() }
  /* conflict at b, which is not home: the owner at home settles b: home's state and history.  It opens b and reads home, then imposes */
#ifndef NO_R_COMWAIT
#define ANSD(t,b) IN(an[t],b)
#else
#define ANSD(t,b) 0
#endif
#define CONFL(t,b) (TOK(t) && !ANSD(t,b) && !ISHOME(b) && IN(MEMB(iv[b]),b) && iv[b]==cv[CLI(t)] && IN(snh[t],iv[b]) && !IN(sl,b) && !IN(br,b) && \
     (IN(dk,b) || FOREIGN(t,b) || (IN(fl[b],t) && !IN(kn[b],t))) && iv[HOME(iv[b])]==iv[b] && IN(fl[HOME(iv[b])],t))
#ifndef STEPC
  :: d_step { CONFL(t,b) -> h=HOME(iv[b]); ch[b]=ch[h]; kn[b]=kn[h]; fl[b]=kn[h]&fl[h]&MINE(CLI(t)); CLRD(b); opn[b]=0; DSET(b,ABSENT(iv[b])); h=0; CHECK() }
#else
  :: d_step { CONFL(t,b) && !cst[t] -> h=HOME(iv[b]); cst[t]=b+1; cvw[t]=iv[b]; cval[t]=ch[h]; ckn[t]=kn[h]; cfl[t]=kn[h]&fl[h]&MINE(CLI(t)); opn[b]=4+t; dk=dk|(1<<b); h=0; CHECK() }
  :: d_step { cst[t]==b+1 && iv[b]==cvw[t] && COPEN(t,b) && !IN(br,b) && !IN(sl,b) -> ch[b]=cval[t]; kn[b]=ckn[t]; fl[b]=cfl[t]; CLRD(b); opn[b]=0; DSET(b,ABSENT(iv[b])); CRESET(t); CHECK() }
  :: d_step { cst[t]==b+1 && (iv[b]!=cvw[t] || opn[b]!=4+t) -> CRESET(t) }
#endif
#ifdef F_ERR   /* no space, nothing done.  At home: returned, unless other members may have it: then it is settled first */
  :: d_step { CANEXEC(t,b) && !IN(er,b) && nf<MAXF -> nf++; er=er|(1<<b) }
  :: d_step { CANEXEC(t,b) && IN(er,b) && ISHOME(b) && TOK(t) && cv[CLI(t)]==iv[b] ->
#ifndef NO_R_ERRYIELD
       if :: oth[t] && !ye[t] -> ye[t]=1; dk=dk|(1<<b); dt[b]=dt[b]|(1<<t); DSET(b,NOTF(iv[b])); i=0; do :: i<NT -> if :: CLI(i)==CLI(t) -> an[i]=0 :: else fi; i++ :: else -> break od; i=0
          :: else -> st[t]=3; failed=failed|(1<<t); snt[t]=0; snh[t]=0; an[t]=0; ye[t]=0 fi;
#else
       st[t]=3; failed=failed|(1<<t); snt[t]=0; snh[t]=0; an[t]=0;
#endif
       CHECK() }
#endif
#ifdef F_HALF  /* half done and not to be undone: the journal entry stays without result, the brick goes out of service */
  :: d_step { CANEXEC(t,b) && !IN(er,b) && !IN(fl[b],t) && nf<MAXF -> nf++; ch[b]=(ch[b]<<2)|(t+1); opn[b]=0; DSET(b,ABSENT(iv[b])); if :: vJ[iv[b]] -> AGAINM(b) :: else fi;
#ifndef NO_R_HALFOUT
       br=br|(1<<b);
#endif
#ifndef NO_R_HALFJ
       fl[b]=fl[b]|(1<<t);
#endif
       CHECK() }
#endif
  /* yield */
#ifndef NO_R_YIELD
  :: d_step { TOK(t) && iv[b]==cv[CLI(t)] && MUSTYIELD(CLI(t)) && (fl[b]&MINE(CLI(t))) -> ENDSESS(CLI(t),b); i=0; do :: i<NT -> if :: CLI(i)==CLI(t) -> an[i]=0 :: else fi; i++ :: else -> break od; i=0; CHECK() }
#endif
  :: d_step { b==0 && TOK(t) && !(vF[cv[CLI(t)]]&~an[t]) ->                                                      /* acknowledge */
       st[t]=2; acked=acked|(1<<t); cm[t]=MEMB(cv[CLI(t)]); av[t]=cv[CLI(t)]; jok[t]=!(vJ[cv[CLI(t)]]&~an[t]); an[t]=0; snt[t]=0; snh[t]=0; CHECK() }
#ifndef NO_R_COMWAIT
#define SETTLING(t,b) ((cst[0]==(b)+1 && CLI(0)==CLI(t)) || (cst[NT>>1]==(b)+1 && CLI(NT>>1)==CLI(t)) || (cst[NT-1]==(b)+1 && CLI(NT-1)==CLI(t)))
#else
#define SETTLING(t,b) 0
#endif
  :: d_step { !dead[CLI(t)] && IN(cm[t],b) && !SETTLING(t,b) -> cm[t]=cm[t]&~(1<<b); fl[b]=fl[b]&~(1<<t);                              /* commit */
       if :: iv[b]==av[t] && vJ[iv[b]] && !jok[t] -> DSET(b,vJ[iv[b]]) :: else fi; if :: !cm[t] -> av[t]=0; jok[t]=0 :: else fi; CHECK() }
  :: d_step { b==0 && cm[t] && !(cm[t]&MEMB(nv)) -> cm[t]=0; av[t]=0; jok[t]=0 }                                    /* given up with the bricks */
  :: d_step { dead[CLI(t)] && !IN(gone[CLI(t)],b) -> gone[CLI(t)]=gone[CLI(t)]|(1<<b); ENDSESS(CLI(t),b); if :: gone[CLI(t)]==ALLB -> snt[t]=0; snh[t]=0 :: else fi; CHECK() }
#ifdef F_LINK
  :: d_step { nf<MAXF && !dead[CLI(t)] && st[t] && (IN(fl[b],t) || IN(an[t],b)) -> nf++; ENDSESS(CLI(t),b); CHECK() }               /* with its answers */
  :: d_step { nf<MAXF && !dead[CLI(t)] && st[t]==1 && IN(an[t],b) -> nf++; i=0; do :: i<NT -> if :: CLI(i)==CLI(t) -> an[i]=an[i]&~(1<<b) :: else fi; i++ :: else -> break od; i=0; ENDSESS(CLI(t),b); CHECK() }   /* answer lost */
#endif
  od
}
#define NEED(b) (IN(MEMB(nv),b) && (IN(dk,b) || (IN(vF[nv],b) && (dty[b]&vJ[nv]))))
#define READY(b) (!IN(MEMB(nv),b) || iv[b]==nv)
#define SHOM HOME(syv[s])
inline SRESET() { if :: ow[SHOM]==s+1 -> ow[SHOM]=0 :: else fi; i=0; do :: i<NB -> if :: opn[i]==s+1 -> opn[i]=0 :: else fi; i++ :: else -> break od; i=0;
  spc[s]=0; syv[s]=0; sval[s]=0; skn[s]=0; stg[s]=0; sdone[s]=0; sclr[s]=0; rmk[s]=0 }
#ifndef NO_R_CLEAROWN
#define MAYCLR(b) (opn[b]==s+1)
#define MAYCLRH (ow[SHOM]==s+1)
#else
#define MAYCLR(b) 1
#define MAYCLRH 1
#endif
#ifndef NO_R_DGEN
#define AGAIN(b) IN(rmk[s],b)
#else
#define AGAIN(b) 0
#endif
inline CLRJ(b) { if :: !AGAIN(b) -> dty[b]=dty[b]&~vJ[syv[s]] :: else fi }
#define SERVED(t) (st[t]==3 || ((er|br)&MEMB(nv)) || dead[CLI(t)] || (st[t]==2 && !cm[t]))
proctype Settler(byte s) {
end: do
  /* own at home, open the others (they are durably in doubt), read home.  Nothing in doubt: only the joiner is healed */
  :: d_step { !spc[s] && (NEED(0) || NEED(1) || NEED(NB-1)) && ABC(READY) && !fl[HOME(nv)] && !ow[HOME(nv)] && !IN(br,HOME(nv)) -> spc[s]=1; syv[s]=nv; rmk[s]=0;
       h=HOME(nv); stg[s]=(dk&MEMB(nv) -> MEMB(nv)&~(1<<h) : vJ[nv]); ow[h]=s+1; i=0; do :: i<NB -> if :: IN(stg[s],i) -> opn[i]=s+1 :: else fi; i++ :: else -> break od; i=0; sval[s]=ch[h]; skn[s]=kn[h];
#ifndef NO_R_SPREAD
       dk=dk|stg[s];
#endif
       h=0 }
  :: d_step { spc[s]==1 && sdone[s]==stg[s] -> spc[s]=3; sdone[s]=0 }
  :: d_step { spc[s]==3 && !(stg[s]&~sclr[s]) && iv[SHOM]==syv[s] && !IN(sclr[s],SHOM) -> if :: MAYCLRH -> CLRD(SHOM); CLRJ(SHOM); sclr[s]=sclr[s]|(1<<SHOM) :: else -> spc[s]=7 fi; CHECK() }   /* home's doubt last */
  :: d_step { spc[s]==3 && !((MEMB(syv[s]))&~sclr[s]) -> SRESET(); CHECK() }
  :: d_step { spc[s] && (syv[s]!=nv || spc[s]==7) -> SRESET(); CHECK() }
#ifdef F_SYNC
  :: d_step { spc[s] && nf<MAXF -> nf++; SRESET(); CHECK() }
#endif
  /* nothing moves any more: every live client has been served and nothing is in doubt */
  :: timeout -> assert(SERVED(0) && SERVED(NT>>1) && SERVED(NT-1)) /* DEADLOCK */;
       assert((br&MEMB(nv)) || (IDLE && !(dk&MEMB(nv)))) /* STUCK */; break
  od
}
proctype Target(byte s; byte b) {
end: do
  :: d_step { spc[s]==1 && IN(stg[s],b) && !IN(sdone[s],b) && iv[b]==syv[s] && !IN(br,b) ->                                 /* impose */
       if :: !SOPEN(b) -> spc[s]=7
          :: else -> ch[b]=sval[s]; kn[b]=skn[s]; fl[b]=0; sdone[s]=sdone[s]|(1<<b);
#ifndef NO_R_IMPDIRTY
               DSET(b,ABSENT(syv[s]));
#endif
#ifdef NO_R_SPREAD
               CLRD(b)
#else
               skip
#endif
       fi; CHECK() }
  :: d_step { spc[s]==3 && IN(MEMB(syv[s]),b) && b!=SHOM && !IN(sclr[s],b) && iv[b]==syv[s] -> 
       if :: !IN(stg[s],b) -> CLRJ(b) :: IN(stg[s],b) && MAYCLR(b) -> CLRD(b); CLRJ(b) :: else -> spc[s]=7 fi; sclr[s]=sclr[s]|(1<<b); CHECK() }
  od
}
init { d_step { vF[0]=INITF; i=0; do :: i<NT -> st[i]=1; snt[i]=1; i++ :: else -> break od; i=0 }
  atomic { run M(0); run M(1); run Client(0); run Settler(0); run Target(0,0); run Target(0,1);
#if NS>1
  run Settler(1); run Target(1,0); run Target(1,1);
#endif

#if NT>1
  run Client(1);
#endif
#if NB==3
  run M(2); run Target(0,2);
#if NS>1
  run Target(1,2);
#endif
  run Pair(0,2);
#endif
  run Pair(0,0); run Pair(0,1);
#if NT>1
  run Pair(1,0); run Pair(1,1);
#if NB==3
  run Pair(1,2);
#endif
#endif
#if NT>2
  run Pair(2,0); run Pair(2,1);
#if NB==3
  run Pair(2,2);
#endif
#endif
  } }
