/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* register.pml - the view register of replication.md, section 3: CASPaxos, a value that is changed by compare-and-set.
 *
 * NA acceptors (bricks; a witness is one more), NP proposers (clients) with ROUNDS ballots each, the last one LAST.  A ballot is (round, client), in one
 * number.  A view is named by the ballot that made it (its random id); num[] is its number v.  View 0 is decided, accepted and
 * installed everywhere at the start.
 *
 * Messages: what was sent may arrive at any time, in any order, more than once, or never; so does an answer.  A proposer that dies takes
 * no more steps; that is in every run.  An acceptor that restarts has lost nothing, so with all rules on a restart is no step.
 *
 * Majority (default): decided when a majority of the acceptors accepted one ballot.
 * -DNONE: two bricks without a third vote. vf[] is F; decided when all of F accepted one ballot.  CUTS links (client to brick) may be cut, and
 *   heal; a brick that is down is cut off from all.  Without -DFORKS a cut is possible only as long as all clients reach the other brick and that
 *   one knows of every eviction of itself: the failures of the two bricks do not overlap.  -DFORKS: no such limit.
 *   -DFORKOK: FORK is not asserted.
 *
 * Without -DINST (majority only) bricks install nothing, and clients learn what was decided from one another: any INSTALL that was sent.
 * -DF_SWAP (majority of 3): the last acceptor loses its disk and comes back empty, under another id (so old messages are not for it); a
 *   client may then make a view that names the new one (gen[] of a view: which of the two it names).  -DFIRST: all are empty at the start.
 * -DFASTREAD: who reads the same accepted ballot from a quorum takes the record for decided, without a round of ACCEPT.
 *
 * Asserted: FORK  of two decided views one descends from the other.   GAP  (majority) a view's predecessor was decided.
 *           LOST  (none) a view has a full member of the last decided view before it.
 *           TRUE  what a client takes for decided, and what a brick has installed, was decided.   MONO  neither ever goes back, or aside.
 * COVER, COVER2, COVER3: must fail.   Rules: -DNO_R_X takes one out.
 */
/* R_STORE    promise and acceptance are on disk before the answer
 * R_PROMISE  ACCEPT below the promise is refused
 * R_BALLOT   a ballot names its client, and nobody uses one twice
 * R_HIGHEST  of the records read the one with the highest accepted ballot is the current one
 * R_ONEBALLOT only acceptances of one ballot are counted together
 * R_DECIDED  a record that was read as accepted is not decided
 * R_INSTALL  a brick installs what it is told was decided, not what it accepts
 * R_FINISH   who finds a record that it does not know to be decided proposes that one unchanged, before any change of its own
 * R_ID       views are compared by name, not by number
 * R_BYID     an acceptor counts by its id, if the record that was read names it: one that lost its register does not count as the old one
 * R_SWAPALL  a view that names another acceptor is read from, and decided by, all the acceptors that stay
 * NONE:
 * R_READALL  every brick that is reached is asked, and has answered, before anything is proposed
 * R_ASKED    ACCEPT goes to those only whose answer to this ballot's PREPARE was read
 * R_UNREACH  only a brick that is not reached is evicted
 * R_SURVIVOR who survives an eviction has installed the view that the client goes by (also: both, before a promotion)
 * R_KNOWS    a brick that knows of a newer decided view than it accepted answers with that one
 * R_CANCEL   a record that cannot be finished because a brick is away is followed by one without that brick,
 * R_KEEP       but only if all that remain were full in the last view known to be decided (to the client and to them)
 * R_REMEMBER a client goes by nothing that does not descend from what it knows
 * R_ANCESTRY neither does a brick
 */
#ifndef NA
#ifdef NONE
#define NA 2
#else
#define NA 3
#endif
#endif
#ifndef NP
#define NP 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef LAST
#define LAST ROUNDS
#endif
#ifndef CUTS
#define CUTS 1
#endif
#if defined(NONE) || defined(NO_R_INSTALL)
#define INST
#endif
#define NB (NP*ROUNDS+1)
#define NOV 255                       /* no record */
#define ALL ((1<<NA)-1)
#define BAL(p) ((rnd[p]-1)*NP+(p)+1)
#define WHO(b) (((b)-1)%NP)
#define ROUND(b) (((b)+NP-1)/NP)
#define SENT(b) (rnd[WHO(b)]>=ROUND(b))
#ifndef NO_R_BALLOT
#define RANK(b) (b)
#else
#define RANK(b) ROUND(b)
#endif
#define IN(m,i) (((m)>>(i))&1)
#define COUNT(m) (((m)&1)+(((m)>>1)&1)+(((m)>>2)&1))
#ifdef F_SWAP
#ifndef NO_R_BYID
#define ABIT(a) (((a)==2 && swapped) -> 8 : 1<<(a))
#else
#define ABIT(a) (1<<(a))
#endif
#define NAMED(m,v) (((m)&3)|(gen[v] -> ((m)>>1)&4 : (m)&4))
#else
#define ABIT(a) (1<<(a))
#define NAMED(m,v) (m)
#endif
#define ANC(x,y) IN(anc[y],x)         /* x is y or before it */
#ifdef NONE
#define QUORUM(m,v) ((vf[v]&~(m))==0)
#define LINK(p,a) link[(p)*NA+(a)]
#else
#if defined(F_SWAP) && !defined(NO_R_SWAPALL)
#define QUORUM(m,v) ((v && gen[v]!=gen[pre[v]]) -> ((m)&3)==3 : 2*COUNT(NAMED(m,v))>NA)
#else
#define QUORUM(m,v) (2*COUNT(NAMED(m,v))>NA)
#endif
#define LINK(p,a) 1
#endif
/* acceptors */
byte pro[NA], acb[NA], acv[NA];                   /* promised; accepted ballot and view */
#ifdef INST
byte ins[NA];                                     /* installed view */
#define INSNONE(a) ins[a]=NOV
#else
#define INSNONE(a) skip
#endif
#ifdef F_SWAP
short gone; bool swapped; bool gen[NB];           /* ballots that were asked of the last acceptor when it was the old one */
#define VOID(b,a) ((a)==2 && IN(gone,b))
#else
#define VOID(b,a) 0
#endif
/* ballots: the view in its ACCEPT, who accepted it; views: predecessor, number, ancestors */
byte val[NB], acc[NB], pre[NB], num[NB]; short anc[NB];
short told, dec;                                  /* INSTALL was sent for; ghost: decided */
/* proposers: state (1 asks for promises, 2 for acceptances), round, known to be decided, promises and what they said */
byte st[NP], rnd[NP], kn[NP], sm[NP], sb[NP*NA], sa[NP*NA];
#ifdef NO_R_ID
byte mine[NP];
#endif
#ifdef NONE
byte vf[NB], tgt[NB]; bool link[NP*NA]; byte cuts; /* F; to whom the ballot's ACCEPT goes */
#ifndef NO_R_ASKED
#define TO(b,a) IN(tgt[b],a)
#else
#define TO(b,a) 1
#endif
#else
#define TO(b,a) 1
#endif
byte x, y, z, i, u;                               /* scratch, always reset */

inline DECIDE(v) {        /* v is decided from now on */
  if :: v!=NOV && !IN(dec,v) ->
        i=0; do :: i<NB -> if :: IN(dec,i) -> 
#ifndef FORKOK
                   assert(ANC(i,v) || ANC(v,i)) /* FORK */
#else
                   skip
#endif
                   :: else fi; i++ :: else -> break od; i=0;
#ifndef NONE
        assert(pre[v]==NOV || IN(dec,pre[v])) /* GAP */;
#else
        y=0; do :: i<NB -> if :: i!=v && IN(anc[v],i) && IN(dec,i) && num[i]>=num[y] -> y=i :: else fi; i++ :: else -> break od; i=0;
        assert(vf[y]&vf[v]) /* LOST */; y=0;
#endif
        dec=dec|(1<<v)
     :: else fi
}
inline KNOW(p,v) {        /* p takes v for decided */
  assert(IN(dec,v)) /* TRUE to a client */;
  assert(kn[p]==NOV || ANC(kn[p],v) || ANC(v,kn[p])) /* MONO of a client */;
  if :: kn[p]==NOV || !ANC(v,kn[p]) -> kn[p]=v :: else fi
}
#ifndef NO_R_REMEMBER
#define KEEPS(k,v) ((k)==NOV || ANC(k,v))
#else
#define KEEPS(k,v) ((k)==NOV || num[v]>=num[k])
#endif
#ifndef NO_R_ANCESTRY
#define FOLLOWS(k,v) ((k)==NOV || ANC(k,v))
#else
#define FOLLOWS(k,v) ((k)==NOV || num[v]>=num[k])
#endif
#if !defined(NO_R_KNOWS) && defined(INST)
#define SAYS(a) ((ins[a]!=NOV && (acv[a]==NOV || !ANC(ins[a],acv[a]))) -> ins[a] : acv[a])
#else
#define SAYS(a) acv[a]
#endif
inline SNAP(p,b,a) { if :: st[p]==1 && BAL(p)==b -> sm[p]=sm[p]|ABIT(a); sb[p*NA+a]=acb[a]; sa[p*NA+a]=SAYS(a) :: else fi }
#ifdef NONE
#define RECORDED(p,a) (LINK(p,a))
#else
#define RECORDED(p,a) 1
#endif
#ifndef NO_R_PROMISE
#define MAYACCEPT(b,a) (RANK(b)>=RANK(pro[a]))
#else
#define MAYACCEPT(b,a) 1
#endif
/* one ballot's messages at one acceptor */
proctype Deliver(byte b; byte a) {
end: do
  /* PREPARE: promised; the answer may be lost */
  :: d_step { SENT(b) && !VOID(b,a) && RANK(b)>RANK(pro[a]) -> pro[a]=b }
  :: d_step { SENT(b) && !VOID(b,a) && RANK(b)>RANK(pro[a]) && RECORDED(WHO(b),a) && st[WHO(b)]==1 && BAL(WHO(b))==b -> pro[a]=b; SNAP(WHO(b),b,a) }
  /* repeated, because the answer was lost; it may say more than the first one */
  :: d_step { SENT(b) && !VOID(b,a) && RANK(b)==RANK(pro[a]) && RECORDED(WHO(b),a) && st[WHO(b)]==1 && BAL(WHO(b))==b && (!(sm[WHO(b)]&ABIT(a)) || sa[WHO(b)*NA+a]!=SAYS(a)) -> SNAP(WHO(b),b,a) }
  /* ACCEPT; a repeated one is only answered */
  :: d_step { val[b]!=NOV && TO(b,a) && !VOID(b,a) && MAYACCEPT(b,a) && acb[a]!=b ->
       if :: RANK(b)>=RANK(pro[a]) -> pro[a]=b :: else fi; acb[a]=b; acv[a]=val[b]; acc[b]=acc[b]|ABIT(a);
       u=val[b]; if :: QUORUM(acc[b],u) -> DECIDE(u) :: else fi;
#ifdef COVER     /* a record is finished by another client than the one that made it */
       assert(!(QUORUM(acc[b],u) && u && WHO(u)!=WHO(b) && dec!=1)) /* COVER */;
#endif
#ifdef COVER2    /* a line of three views after the first one */
       assert(!(num[u]==3 && IN(dec,u))) /* COVER2 */;
#endif
#ifdef COVER3    /* a record that could not be finished was followed by one without the brick that is away */
       assert(!(u && IN(dec,u) && pre[u]!=NOV && !IN(dec,pre[u]))) /* COVER3 */;
#endif
#ifdef NO_R_INSTALL
       ins[a]=u; assert(IN(dec,u)) /* TRUE to a brick */;
#endif
       u=0 }
od
}
#ifdef INST
inline INSTALL(a,v) {
  assert(ins[a]==NOV || ANC(ins[a],v)) /* MONO of a brick */;
  assert(IN(dec,v)) /* TRUE to a brick */;
  ins[a]=v
}
#endif
proctype Acceptor(byte a) {
end: do
  :: false -> skip
#ifdef INST
  /* INSTALL: somebody knows that it was decided */
#define INSTALLS(v) (v<NB && IN(told,v) && ins[a]!=v && (ins[a]==NOV || !ANC(v,ins[a])) && FOLLOWS(ins[a],v))
#define DOINSTALL(v) d_step { INSTALLS(v) -> INSTALL(a,v) }
  :: DOINSTALL(1)
  :: DOINSTALL(2)
#if NP*ROUNDS>2
  :: DOINSTALL(3)
#endif
#if NP*ROUNDS>3
  :: DOINSTALL(4)
#endif
#if NP*ROUNDS>4
  :: DOINSTALL(5)
#endif
#if NP*ROUNDS>5
  :: DOINSTALL(6)
#endif
#if NP*ROUNDS>6
#error "more views than INSTALL knows"
#endif
#endif
#ifdef NO_R_STORE     /* a restart forgets the promise */
  :: d_step { pro[a]!=acb[a] -> pro[a]=acb[a] }
#endif
#ifdef F_SWAP
  :: d_step { a==2 && !swapped -> swapped=1; pro[a]=0; acb[a]=0; acv[a]=NOV; INSNONE(a); i=1; do :: i<NB -> if :: SENT(i) -> gone=gone|(1<<i) :: else fi; i++ :: else -> break od; i=0 }
#endif
od
}
#ifndef NO_R_HIGHEST
#define BETTER (sb[p*NA+i]>y || (sb[p*NA+i]==y && (z==NOV || ANC(z,sa[p*NA+i]))))
#else
#define BETTER (sb[p*NA+i]<y || z==NOV)
#endif
/* z: the record with the highest accepted ballot among those read; y: its ballot */
inline BEST(p) {
  y=0; z=NOV; i=0;
  do :: i<NA -> if :: (IN(sm[p],i) || (i==2 && IN(sm[p],3))) && sa[p*NA+i]!=NOV && BETTER -> y=sb[p*NA+i]; z=sa[p*NA+i] :: else fi; i++ :: else -> break od;
  i=0
}
inline FORGET(p) { sm[p]=0; i=0; do :: i<NA -> sb[p*NA+i]=0; sa[p*NA+i]=0; i++ :: else -> break od; i=0; x=0; y=0; z=0 }
inline MAKE(p,c,f) {    /* a new view after c */
  u=BAL(p); pre[u]=c;
#ifdef F_SWAP
  if :: gen[c] -> gen[u]=1 :: else fi;
#endif
  num[u]=(c==NOV -> 1 : num[c]+1); anc[u]=(c==NOV -> 0 : anc[c])|(1<<u); val[u]=u;
#ifdef NONE
  vf[u]=f; tgt[u]=sm[p];
#endif
#ifdef NO_R_ID
  mine[p]=u;
#endif
  u=0; st[p]=2; FORGET(p)
}
inline FINISH(p,c) {
  u=BAL(p); val[u]=c;
#ifdef NONE
  tgt[u]=sm[p];
#endif
  u=0; st[p]=2; FORGET(p) }
#ifndef NO_R_ID
#define SAMEVIEW(c,k) ((c)==(k))
#else
#define SAMEVIEW(c,k) ((k)!=NOV && num[c]==num[k])
#endif
#ifdef NONE
#define SEES(p,a) (!LINK(p,a) || IN(sm[p],a))
#ifndef NO_R_READALL
#define READ(p) (sm[p] && SEES(p,0) && SEES(p,1))
#else
#define READ(p) (sm[p])
#endif
#ifndef NO_R_UNREACH
#define AWAY(p,a) (!LINK(p,a))
#else
#define AWAY(p,a) 1
#endif
#ifndef NO_R_SURVIVOR
#define HAS(a,v) (ins[a]==(v))
#else
#define HAS(a,v) 1
#endif
#ifndef NO_R_KEEP
#define KEPT(p,f) (((f)&~vf[kn[p]])==0)
#else
#define KEPT(p,f) 1
#endif
#ifndef NO_R_ASKED
#define FINISHABLE(p) ((vf[z]&~sm[p])==0)
#else
#define FINISHABLE(p) 1
#endif
/* brick a is left out by client p, which goes by z */
#define LEAVE(p,a) (vf[z]==3 && AWAY(p,a) && IN(sm[p],1-(a)))
#else
/* those that answered p with z are enough: of the acceptors that z names; before it is known to be decided, as many as decide it */
#define HEARD(p) (QUORUM(sm[p],z) || (z==kn[p] && 2*COUNT(NAMED(sm[p],z))>NA))
#ifdef F_SWAP
#define READ(p) (COUNT(sm[p])+IN(sm[p],3)>=2)
#ifndef NO_R_SWAPALL
#define SWAPREAD(p) ((sm[p]&3)==3)
#else
#define SWAPREAD(p) 1
#endif
#else
#define READ(p) (2*COUNT(sm[p])>NA)
#endif
#endif
/* acceptances that count for p's ballot */
#ifndef NO_R_ONEBALLOT
#define ENOUGH(p) QUORUM(acc[BAL(p)],val[BAL(p)])
#else
#define SAMEVAL(p,b) ((b)<NB && val[b]==val[BAL(p)] -> acc[b] : 0)
#define ENOUGH(p) QUORUM((SAMEVAL(p,1)|SAMEVAL(p,2)|SAMEVAL(p,3)|SAMEVAL(p,4)|(val[BAL(p)]==0 -> acc[0] : 0)),val[BAL(p)])
#endif
#ifndef NO_R_CANCEL
#define UNFINISHED 1
#else
#define UNFINISHED 0
#endif
#ifdef NO_R_FINISH
#define EAGER 1
#else
#define EAGER 0
#endif
proctype Proposer(byte p) {
end: do
  :: d_step { rnd[p]<(p==NP-1 -> LAST : ROUNDS) -> rnd[p]++; st[p]=1; FORGET(p) }     /* also gives up what it was doing */
#ifndef NONE
  :: d_step { st[p]==1 && READ(p) -> BEST(p);
       if :: z!=NOV && !HEARD(p) -> y=0; z=0
#ifdef F_SWAP
          :: z!=NOV && HEARD(p) && swapped && !gen[z] && z==kn[p] && SWAPREAD(p) -> gen[BAL(p)]=1; MAKE(p,z,0)
#endif
          :: else ->
#ifdef NO_R_DECIDED
             if :: z!=NOV -> told=told|(1<<z); KNOW(p,z) :: else fi;
#endif
#ifdef FASTREAD
             if :: z!=NOV -> u=0; i=0; do :: i<NA -> if :: IN(sm[p],i) && sa[p*NA+i]==z && sb[p*NA+i]==y -> u=u|(1<<i) :: else fi; i++ :: else -> break od; i=0;
                   if :: QUORUM(u,z) -> told=told|(1<<z); KNOW(p,z) :: else fi; u=0 :: else fi;
#endif
#ifndef NO_R_FINISH
             if :: z==NOV || SAMEVIEW(z,kn[p]) -> MAKE(p,z,0)
                :: else -> FINISH(p,z) fi
#else
             MAKE(p,z,0)
#endif
       fi }
#ifdef INST
  /* learns what a brick has installed */
  :: d_step { ins[0]!=NOV && kn[p]!=ins[0] && (kn[p]==NOV || !ANC(ins[0],kn[p])) -> KNOW(p,ins[0]) }
  :: d_step { ins[1]!=NOV && kn[p]!=ins[1] && (kn[p]==NOV || !ANC(ins[1],kn[p])) -> KNOW(p,ins[1]) }
#if NA>2
  :: d_step { ins[2]!=NOV && kn[p]!=ins[2] && (kn[p]==NOV || !ANC(ins[2],kn[p])) -> KNOW(p,ins[2]) }
#endif
#else
  /* learns what another one has decided */
#define LEARNS(v) d_step { v<NB && IN(told,v) && kn[p]!=v && (kn[p]==NOV || !ANC(v,kn[p])) -> KNOW(p,v) }
  :: LEARNS(1) :: LEARNS(2)
#if NP*ROUNDS>2
  :: LEARNS(3)
#endif
#if NP*ROUNDS>3
  :: LEARNS(4)
#endif
#if NP*ROUNDS>4
  :: LEARNS(5)
#endif
#if NP*ROUNDS>5
  :: LEARNS(6)
#endif
#endif
#else
  :: atomic { st[p]==1 && READ(p) -> d_step { BEST(p);
       if :: z!=NOV && !KEEPS(kn[p],z) && ANC(z,kn[p]) -> z=kn[p] :: else fi };
       if :: z==NOV || !KEEPS(kn[p],z) -> d_step { st[p]=0; FORGET(p) }                                     /* nothing to go by; a fork is seen */
          :: z!=NOV && KEEPS(kn[p],z) && sm[p]==3 && !ANC(sa[p*NA],sa[p*NA+1]) && !ANC(sa[p*NA+1],sa[p*NA]) -> d_step { st[p]=0; FORGET(p) }
          :: else ->
             if :: d_step { true -> if :: FINISHABLE(p) -> FINISH(p,z) :: else -> st[p]=0; FORGET(p) fi }
                :: d_step { (z==kn[p] || UNFINISHED) && LEAVE(p,0) && HAS(1,kn[p]) && KEPT(p,2) -> MAKE(p,z,2) }
                :: d_step { (z==kn[p] || UNFINISHED) && LEAVE(p,1) && HAS(0,kn[p]) && KEPT(p,1) -> MAKE(p,z,1) }
                :: d_step { (z==kn[p] || EAGER) && vf[z]!=3 && sm[p]==3 && HAS(0,kn[p]) && HAS(1,kn[p]) -> MAKE(p,z,3) }
             fi
       fi }
  :: d_step { LINK(p,0) && kn[p]!=ins[0] && !ANC(ins[0],kn[p]) && KEEPS(kn[p],ins[0]) -> KNOW(p,ins[0]) }
  :: d_step { LINK(p,1) && kn[p]!=ins[1] && !ANC(ins[1],kn[p]) && KEEPS(kn[p],ins[1]) -> KNOW(p,ins[1]) }
#endif
  /* decided */
  :: d_step { st[p]==2 && ENOUGH(p) -> u=val[BAL(p)];
#ifdef NO_R_ID
       if :: mine[p] && num[mine[p]]==num[u] -> u=mine[p] :: else fi;
#endif
       if :: KEEPS(kn[p],u) || ANC(u,kn[p]) -> told=told|(1<<u); KNOW(p,u) :: else fi; st[p]=0; u=0 }
od
}
#ifdef NONE
#define LINKS(a) (LINK(0,a) && LINK(1,a) && LINK(NP-1,a))
/* an eviction of a that may have happened or may still happen, of which a does not know */
#define MISSES(a,b) ((b)<NB && val[b]!=NOV && !IN(vf[val[b]],a) && (acc[b] || pro[1-(a)]<=(b)) && !ANC(val[b],acv[a]) && !ANC(val[b],ins[a]))
#define CURRENT(a) (LINKS(a) && !MISSES(a,1) && !MISSES(a,2) && !MISSES(a,3) && !MISSES(a,4))
#ifdef FORKS
#define MAYCUT(a) (cuts<CUTS)
#else
#define MAYCUT(a) (cuts<CUTS && CURRENT(1-(a)))
#endif
inline HEALS(p,a) { link[p*NA+a]=1 }
proctype Env() {
end: do
  :: d_step { MAYCUT(0) && LINK(0,0) -> cuts++; LINK(0,0)=0 } :: d_step { !LINK(0,0) -> LINK(0,0)=1 }
  :: d_step { MAYCUT(0) && LINK(1,0) -> cuts++; LINK(1,0)=0 } :: d_step { !LINK(1,0) -> LINK(1,0)=1 }
  :: d_step { MAYCUT(1) && LINK(0,1) -> cuts++; LINK(0,1)=0 } :: d_step { !LINK(0,1) -> LINK(0,1)=1 }
  :: d_step { MAYCUT(1) && LINK(1,1) -> cuts++; LINK(1,1)=0 } :: d_step { !LINK(1,1) -> LINK(1,1)=1 }
  /* a brick is down: nobody reaches it */
  :: d_step { MAYCUT(0) && LINKS(0) -> cuts++; LINK(0,0)=0; LINK(1,0)=0; LINK(NP-1,0)=0 }
  :: d_step { MAYCUT(1) && LINKS(1) -> cuts++; LINK(0,1)=0; LINK(1,1)=0; LINK(NP-1,1)=0 }
od
}
#endif
init {
  d_step {
    i=0; do :: i<NB -> val[i]=NOV; pre[i]=NOV; i++ :: else -> break od;
    i=0; do :: i<NP -> sm[i]=0; i++ :: else -> break od; i=0;
#ifdef FIRST
    do :: i<NA -> acv[i]=NOV; INSNONE(i); i++ :: else -> break od; i=0;
    do :: i<NP -> kn[i]=NOV; i++ :: else -> break od; i=0;
#else
    val[0]=0; acc[0]=ALL; anc[0]=1; dec=1; told=1;
#endif
#ifdef NONE
    vf[0]=3; do :: i<NP*NA -> link[i]=1; i++ :: else -> break od; i=0;
#endif
  }
  atomic {
    i=0; do :: i<NP -> run Proposer(i); i++ :: else -> break od;
    i=0; do :: i<NA -> run Acceptor(i); y=1; do :: y<NB -> run Deliver(y,i); y++ :: else -> break od; i++ :: else -> break od;
    i=0; y=0;
#ifdef NONE
    run Env();
#endif
  }
}
