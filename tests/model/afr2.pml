/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* afr2.pml - second bounded model of replication.md: several keys per operation, and three data bricks.
 *
 * NB bricks (2: register mode none; 3: the bricks are the acceptors, majority), NK keys (1, 2), two clients with one
 * operation each on the key masks M0, M1 (3 = rename: both keys, executed locally in one step), one syncer (settler and healer).
 * home(K0) = lowest member of F, home(K1) = highest (-DONEHOME: the same).  State of a key = list of txns (base 4, newest low).
 * A client owns its keys at their homes one by one in key order, executes at home(first key), then at the others
 * (-DPAR: at all at once, as under leases).  Requests may be executed late; answers are lost when the link is down.
 * The rules of afr.pml (seal, new answers, foreign, busy, forget, reg, dgen, jclear, doubtdirty) are built in, not switchable.
 * Faults: -DF_DIE client dies, -DF_PC process crash, -DF_LINK link cut (heals), -DF_SYNC the healer dies; MAXF of them, MAXV views.
 * Rules new here (-DNO_R_X takes one out): see the list.  -DINITF= first full set.  -DONE: client 1 does not write.  -DCOVER, -DCOVER2: must fail.
 */
/* R_YIELD    a client that meets its own txn in doubt, or a doubt at a home of its keys, turns its entries into doubts and gives its keys back until it is settled
 * R_READOWN  home answers the read of healer/settler only while that one still owns the key there (grant number)
 * R_RELEASE  who lost one grant of several gives the others back before it asks again
 * R_UNIT     a doubt/entry names its txn: all its keys are settled, imposed, opened together
 * R_ONESRC   unit whose txn is missing at the home of one key: that home is the source for all its keys (txn undone everywhere)
 * R_UNDOOWN  owning the key at whose home the txn is missing is enough to undo it (no need to own its other keys)
 * R_HOMECHK  every home of a key of the txn checks the ownership of its keys, not only home(first key)
 * R_GRANT2   a new grant of any key voids the answers of all bricks, home(first key) included
 * R_UNITIMP  the impose of a unit is one journalled step on the target
 * R_KEYORDER several keys are taken in key order
 * R_SPREAD   open puts the key in doubt at every target; doubts are cleared only when all members have the state
 * R_IMPDIRTY an impose counts as an execution: the target puts the keys into D_b of the absent members
 * R_CLEAROWN a doubt is cleared only while the key is open for this settler, at home only while it owns it (and only home's own keys)
 * R_UNITLATE the unit is made from the answers to the open: a doubt there with keys that are not owned, and the settler starts again with these, too
 * R_MANYYIELD an operation with two keys that meets a conflict does not settle it: it puts the keys there in doubt under its name and yields
 * R_DMARK    joiners mark D of the absent members, too, and keep it (afr3.pml shows that it is needed, and that D need not be handed over at promotion)
 */
#ifndef NB
#define NB 2
#endif
#ifndef NK
#define NK 2
#endif
#ifndef M0
#define M0 ((1<<NK)-1)
#endif
#ifndef M1
#define M1 ((1<<NK)-1)
#endif
#define ALLB ((1<<NB)-1)
#ifndef INITF
#define INITF ALLB
#endif
#define IN(m,b) (((m)>>(b))&1)
#define SL(c,b) ((c)*NB+(b))
#define BK(b,k) ((b)*2+(k))
#define OPM(c) ((1-(c))*M0+(c)*M1)
#define LOW(f) ((f)&1 -> 0 : ((f)&2 -> 1 : 2))
#define HIGH(f) ((f)&4 -> 2 : ((f)&2 -> 1 : 0))
#ifdef ONEHOME
#define HOME(v,k) LOW(vF[v])
#else
#define HOME(v,k) ((k)==0 -> LOW(vF[v]) : HIGH(vF[v]))
#endif
#define HM(v,b) (((HOME(v,0)==(b))|((HOME(v,1)==(b))<<1)) & ((1<<NK)-1))
#define FIRSTK(c) (OPM(c)&1 -> 0 : 1)
#define FH(c) HOME(cv[c],FIRSTK(c))
#define MEMB(v) (vF[v]|vJ[v])
#define EK(set) ((IN(set,0) -> M0 : 0)|(IN(set,1) -> M1 : 0))   /* keys of a set of txns */
#define FK(b,c) EK(fl[b]&~(1<<(c)))
#define RCH(c,b) (link[SL(c,b)] && up[b])
#define SERVES(b) (up[b] && IN(MEMB(iv[b]),b))
#define OLDER(c,b) (!RCH(c,b) || rg[b]<=cv[c])
#define HAS(c,f,b) (!IN(f,b) || RCH(c,b))
#if NB==3
#define ABC(x) (x(0) && x(1) && x(2))
#define CANCAS(c,f) (RCH(c,0)+RCH(c,1)+RCH(c,2)>=2 && OLDER(c,0) && OLDER(c,1) && OLDER(c,2) && HAS(c,f,0) && HAS(c,f,1) && HAS(c,f,2))
#define CANEVICT(c,b) 1
#else
#define ABC(x) (x(0) && x(1))
#define CANCAS(c,f) (OLDER(c,0) && OLDER(c,1) && HAS(c,f,0) && HAS(c,f,1))
#define CANEVICT(c,b) (!RCH(c,b))
#endif
byte vF[MAXV+1], vJ[MAXV+1], nv;
bool up[NB]; byte iv[NB], rg[NB], ch[NB*2], known[NB], fl[NB], dtx[NB], dky[NB], dty[NB], own[NB*2];
bool rmk[NB], seal[NB], sreg[NB];
bool link[2*NB], cfl[2*NB]; byte rqt[2*NB], rqv[2*NB], rep[2*NB];
bool dead[2]; byte cv[2], pc[2], hold[2], pr[2], cm[2], av[2], jok[2];   /* pc 0 idle, 1 under way, 2 acknowledged */
byte spc, syv, sS, sown, sdone, ss0, ss1, sv0, sv1, skn0, skn1, shalf;
byte nf, acked;
byte x, y, z, s, i, mk, ma, h, q;                                  /* scratch, always reset */
#define HAST(l,t) (((l)&3)==(t) || (((l)>>2)&3)==(t))
#define TSET(l) (HAST(l,1)|(HAST(l,2)<<1))
/* what of key k brick b shows of the acknowledged txns, in order: 0, 1, 2, 6=(1,2), 9=(2,1) */
#define ACK1(e) ((e)!=0 && IN(acked,(e)-1))
#define PROJ(l) ((ACK1((l)&3) && ACK1(((l)>>2)&3)) -> (l) : (ACK1((l)&3) -> (l)&3 : (ACK1(((l)>>2)&3) -> ((l)>>2)&3 : 0)))
#define TORN(b,t) (HAST(ch[BK(b,0)],t)!=HAST(ch[BK(b,1)],t))
#define QUIET(b) (!IN(MEMB(nv),b) || (iv[b]==nv && !fl[b] && !dky[b]))
#define NODTY(b) (!IN(vF[nv],b) || !dty[b])
#define NOCFL (!cfl[0] && !cfl[1] && !cfl[2] && !cfl[3])
inline CHECKB(b) {
  if :: IN(vF[nv],b) ->
      if :: IN(acked,0) -> assert(!(M0&1) || HAST(ch[BK(b,0)],1)) /* I1 */; assert(!(M0&2) || HAST(ch[BK(b,1)],1)) /* I1 */ :: else fi;
      if :: IN(acked,1) -> assert(!(M1&1) || HAST(ch[BK(b,0)],2)) /* I1 */; assert(!(M1&2) || HAST(ch[BK(b,1)],2)) /* I1 */ :: else fi;
      if :: acked==3 -> y=PROJ(ch[BK(b,0)]); z=PROJ(ch[BK(LOW(vF[nv]),0)]); assert(y==z) /* I2, K0 */;
                        y=PROJ(ch[BK(b,1)]); z=PROJ(ch[BK(LOW(vF[nv]),1)]); assert(y==z) /* I2, K1 */; y=0; z=0 :: else fi;
#if NK==2
      if :: iv[b]==nv && M0==3 && !dky[b] -> assert(!TORN(b,1)) /* ATOM: a readable full member shows half of the rename */ :: else fi;
      if :: iv[b]==nv && M1==3 && !dky[b] -> assert(!TORN(b,2)) /* ATOM */ :: else fi;
#endif
     :: else fi
}
inline I5B(b) { if :: IN(vF[nv],b) -> assert(ch[BK(b,0)]==ch[BK(LOW(vF[nv]),0)]) /* I5 */; assert(ch[BK(b,1)]==ch[BK(LOW(vF[nv]),1)]) /* I5 */ :: else fi }
inline CHECK() {
#ifdef COVER   /* vacuity: evict, join, promote with both operations acknowledged */
  assert(!(acked==3 && nv==3 && vF[nv]==ALLB && ABC(QUIET))) /* COVER */;
#endif
#ifdef COVER2  /* vacuity: an executed operation of a dead client was undone */
  assert(!(dead[0] && spc==5 && nv==0 && !IN(known[0],0) && IN(acked,1) && ss0!=0)) /* COVER2 */;
#endif
  CHECKB(0); CHECKB(1);
#if NB==3
  CHECKB(2);
#endif
  if :: ABC(QUIET) && NOCFL && spc==0 && vJ[nv]==0 -> I5B(0); I5B(1);
#if NB==3
        I5B(2)
#else
        skip
#endif
     :: else fi
}
#define ABSENT(v) (ALLB & ~MEMB(v))
/* keys km into D_j of brick b for the members j of set a */
#define DBITS(km,a) ((IN(a,0) -> (km) : 0)|(IN(a,1) -> (km)<<2 : 0)|(IN(a,2) -> (km)<<4 : 0))
#ifndef NO_R_DMARK
#define MARKS(b) IN(MEMB(iv[b]),b)
#else
#define MARKS(b) IN(vF[iv[b]],b)
#endif
#define MARK(b,km,a) mk=km; ma=a; if :: MARKS(b) && mk && ma -> dty[b]=dty[b]|DBITS(mk,ma); rmk[b]=1 :: else fi; mk=0; ma=0
inline INSTALL(b,w) {
  iv[b]=w; seal[b]=0; sreg[b]=0; own[BK(b,0)]=0; own[BK(b,1)]=0;
  if :: IN(vF[w],b) -> x=EK(fl[b])|dky[b]; y=ALLB&~vF[w]; MARK(b,x,y); x=0; y=0
     :: IN(vJ[w],b) -> x=EK(fl[b]); dky[b]=dky[b]|x; dtx[b]=dtx[b]|fl[b]; fl[b]=0; y=ALLB&~vF[w]&~(1<<b); MARK(b,x,y); x=0; y=0
     :: else fi;
  CHECK()
}
#define STALE(l) rqt[l]=(rqt[l] -> 2 : 0)   /* a request that carries an older grant number */
#define VOIDANS(c) STALE(SL(c,0)); STALE(SL(c,1)); STALE(SL(c,NB-1)); rep[SL(c,0)]=0; rep[SL(c,1)]=0; rep[SL(c,NB-1)]=0
inline TOVIEW(c,w) { cv[c]=w; pr[c]=0; hold[c]=0; VOIDANS(c); cfl[SL(c,0)]=0; cfl[SL(c,1)]=0; cfl[SL(c,NB-1)]=0 }
inline NEWVIEW(c,f,j) {
  nv++; vF[nv]=f; vJ[nv]=j;
  if :: RCH(c,0) -> rg[0]=nv :: else fi;
  if :: RCH(c,1) -> rg[1]=nv :: else fi;
#if NB==3
  if :: RCH(c,2) -> rg[2]=nv :: else fi;
#endif
  TOVIEW(c,nv); CHECK()
}
#define ANS(c,b) (rep[SL(c,b)]==cv[c]+1)
#define ANSALL(c,b) (!IN(vF[cv[c]],b) || ANS(c,b))
#define JOKB(c,b) (!IN(vJ[cv[c]],b) || ANS(c,b))
#define KEYFREE(h,k,c) (iv[h]==cv[c] && SERVES(h) && (own[BK(h,k)]==0 || own[BK(h,k)]==(c)+1) && !IN(FK(h,c),k) && !IN(dky[h],k) && !seal[h])
#ifndef NO_R_KEYORDER
#define BEFORE1(c) (!(OPM(c)&1) || (hold[c]&1))
#define BEFORE0(c) 1
#else
#define BEFORE1(c) ((c)==1 || !(OPM(c)&1) || (hold[c]&1))
#define BEFORE0(c) ((c)==0 || !(OPM(c)&2) || (hold[c]&2))
#endif
inline TAKE(c,k) { b=HOME(cv[c],k);
#ifndef NO_R_GRANT2
  if :: own[BK(b,k)]!=c+1 -> VOIDANS(c) :: else fi;
#else
  if :: own[BK(b,k)]!=c+1 -> i=rep[SL(c,FH(c))]; VOIDANS(c); if :: k!=FIRSTK(c) -> rep[SL(c,FH(c))]=i :: else fi; i=0 :: else fi;
#endif
  own[BK(b,k)]=c+1; hold[c]=hold[c]|(1<<k); b=0 }
/* survivors say: alive, in this view */
#define INSTD(c,f,b) (!IN(f,b) || (RCH(c,b) && iv[b]==cv[c]))
#if NB==3
#define ALLIN(c,f) (INSTD(c,f,0) && INSTD(c,f,1) && INSTD(c,f,2))
#define ANYSEAL (seal[0]||seal[1]||seal[2])
#else
#define ALLIN(c,f) (INSTD(c,f,0) && INSTD(c,f,1))
#define ANYSEAL (seal[0]||seal[1])
#endif
#define EV(c,b) (!dead[c] && nv<MAXV && nv==cv[c] && IN(MEMB(nv),b) && (vF[nv]&~(1<<(b))) && CANEVICT(c,b) && CANCAS(c,vF[nv]&~(1<<(b))) && ALLIN(c,vF[nv]&~(1<<(b))))
#define JO(c,b) (!dead[c] && nv<MAXV && nv==cv[c] && vJ[nv]==0 && !IN(MEMB(nv),b) && RCH(c,b) && CANCAS(c,vF[nv]) && ALLIN(c,vF[nv]))
#define HDOUBT(c,b) (IN(dtx[b],c) || (dky[b]&OPM(c)&HM(iv[b],b)) || (IN(fl[b],c) && (FK(b,c)&OPM(c)&HM(iv[b],b))))
#define DB(c,b) (RCH(c,b) && iv[b]==cv[c] && IN(MEMB(cv[c]),b) && HDOUBT(c,b))
#if NB==3
#define OWNDOUBT(c) (DB(c,0) || DB(c,1) || DB(c,2))
#else
#define OWNDOUBT(c) (DB(c,0) || DB(c,1))
#endif
proctype Client(byte c) {
  byte b=0;
end: do
  :: d_step { !dead[c] && pc[c]==0 -> pc[c]=1 }
  :: d_step { !dead[c] && pc[c]==1 && (OPM(c)&1) && !OWNDOUBT(c) && !(hold[c]&1) && BEFORE0(c) && RCH(c,HOME(cv[c],0)) && KEYFREE(HOME(cv[c],0),0,c) -> TAKE(c,0) }
  :: d_step { !dead[c] && pc[c]==1 && (OPM(c)&2) && !OWNDOUBT(c) && !(hold[c]&2) && BEFORE1(c) && RCH(c,HOME(cv[c],1)) && KEYFREE(HOME(cv[c],1),1,c) -> TAKE(c,1) }
  :: d_step { !dead[c] && pc[c]==1 && ANSALL(c,0) && ANSALL(c,1) && ANSALL(c,NB-1) ->
       pc[c]=2; acked=acked|(1<<c); cm[c]=MEMB(cv[c]); av[c]=cv[c]; jok[c]=JOKB(c,0)&&JOKB(c,1)&&JOKB(c,NB-1); CHECK() }
  :: d_step { !dead[c] && cm[c] && cv[c]!=av[c] && !(cm[c]&vF[cv[c]]) -> cm[c]=0 }
  /* eviction, join */
  :: d_step { EV(c,0) -> h=vF[nv]&~1; q=vJ[nv]&~1; NEWVIEW(c,h,q); h=0; q=0 }
  :: d_step { EV(c,1) -> h=vF[nv]&~2; q=vJ[nv]&~2; NEWVIEW(c,h,q); h=0; q=0 }
  :: d_step { JO(c,0) -> h=vF[nv]; NEWVIEW(c,h,1); h=0 }
  :: d_step { JO(c,1) -> h=vF[nv]; NEWVIEW(c,h,2); h=0 }
#if NB==3
  :: d_step { EV(c,2) -> h=vF[nv]&~4; q=vJ[nv]&~4; NEWVIEW(c,h,q); h=0; q=0 }
  :: d_step { JO(c,2) -> h=vF[nv]; NEWVIEW(c,h,4); h=0 }
#endif
  /* promotion: every member has been sealed (Pair), then the CAS; or give up: same members, which lifts the seals */
  :: d_step { !dead[c] && nv<MAXV && nv==cv[c] && vJ[nv] && pr[c]==MEMB(nv) && CANCAS(c,MEMB(nv)) -> h=MEMB(nv); NEWVIEW(c,h,0); h=0 }
  :: d_step { !dead[c] && nv<MAXV && nv==cv[c] && vJ[nv] && ANYSEAL && CANCAS(c,vF[nv]) && ALLIN(c,vF[nv]) -> h=vF[nv]; q=vJ[nv]; NEWVIEW(c,h,q); h=0; q=0 }
#ifdef F_DIE
  :: d_step { !dead[c] && nf<MAXF -> nf++; dead[c]=1; pr[c]=0; hold[c]=0; cm[c]=0; cfl[SL(c,0)]=0; cfl[SL(c,1)]=0; cfl[SL(c,NB-1)]=0 }
#endif
  od
}
/* impose keys S, state (a0,a1), history (k0,k1) of their sources on b.  An entry at b that the source does not know is undone on all its keys */
#define UNK(b,c,kn) (IN(fl[b]|dtx[b],c) && !IN(kn,c))
inline IMPOSE(b,S_,a0,a1,k0,k1) {
  s=S_; x=a1; z=k1; y=a0; i=k0;
#ifdef NO_R_UNITIMP
#define KBYK (spc==4 && sS==3)     /* key by key */
#else
#define KBYK 0
#endif
#ifndef NO_R_UNIT
  if :: !KBYK && s==1 && ((M0==3 && UNK(b,0,k0)) || (M1==3 && UNK(b,1,k0))) -> s=3
     :: !KBYK && s==2 && ((M0==3 && UNK(b,0,k1)) || (M1==3 && UNK(b,1,k1))) -> s=3
     :: else fi;
#endif
  if :: s&1 -> ch[BK(b,0)]=y :: else fi;
  if :: s&2 -> ch[BK(b,1)]=x :: else fi;
  if :: M0&s -> if :: IN((M0&s&1 -> i : z),0) -> known[b]=known[b]|1 :: else -> known[b]=known[b]&~1; fl[b]=fl[b]&~1 fi :: else fi;
  if :: M1&s -> if :: IN((M1&s&1 -> i : z),1) -> known[b]=known[b]|2 :: else -> known[b]=known[b]&~2; fl[b]=fl[b]&~2 fi :: else fi;
  x=0; z=0; y=0; i=0; 
#ifndef NO_R_IMPDIRTY
  x=ABSENT(iv[b]); MARK(b,s,x); x=0;
#endif
}
#define CLEARD(b,S) dky[b]=dky[b]&~(S); if :: !(M0&dky[b]) -> dtx[b]=dtx[b]&~1 :: else fi; if :: !(M1&dky[b]) -> dtx[b]=dtx[b]&~2 :: else fi
#define MSG(c,b) (up[b] && rqt[SL(c,b)])
#define OKV(c,b) (rqv[SL(c,b)]==iv[b] && SERVES(b) && !seal[b])
#ifndef NO_R_HOMECHK
#define HK(c,b) (OPM(c)&HM(iv[b],b))
#else
#define HK(c,b) (HOME(iv[b],FIRSTK(c))==(b) -> 1<<FIRSTK(c) : 0)
#endif
#define FRESHG(c,b) (rqt[SL(c,b)]==1 || !HK(c,b))
#define OWNS(c,b) ((!(HK(c,b)&1) || own[BK(b,0)]==(c)+1) && (!(HK(c,b)&2) || own[BK(b,1)]==(c)+1))
#define LISTENS(c,b) (link[SL(c,b)] && !dead[c] && rqv[SL(c,b)]==cv[c] && pc[c]==1)
#define DONE(c,b) rqt[SL(c,b)]=0; rqv[SL(c,b)]=0
inline ANSWER(c,b) { if :: LISTENS(c,b) && rqt[SL(c,b)]==1 -> rep[SL(c,b)]=rqv[SL(c,b)]+1 :: else fi; DONE(c,b) }
#define BLK(c,b) ((dky[b]|FK(b,c))&OPM(c))
/* who may settle a conflict: it owns its keys at their homes, and these are in this view */
#define OWNH(c,k) (!IN(OPM(c),k) || (RCH(c,HOME(cv[c],k)) && iv[HOME(cv[c],k)]==cv[c] && own[BK(HOME(cv[c],k),k)]==(c)+1))
#define CKEYS(c,b) (BLK(c,b)&~HM(iv[b],b))
#ifndef NO_R_UNDOOWN
#define EXTRA(c,b) 1
#else   /* the other keys of the foreign txn must be owned, too */
#define EXTRA(c,b) (OPM(c)==3 || !IN(fl[b]|dtx[b],1-(c)) || OPM(1-(c))!=3 || own[BK(HOME(cv[c],(OPM(c)&1 -> 1 : 0)),(OPM(c)&1 -> 1 : 0))]==0)
#endif
#ifdef PAR
#define MAYSEND(c,b) 1
#else
#define MAYSEND(c,b) ((b)==FH(c) || ANS(c,FH(c)))
#endif
inline ENDSESS(c,b) {
  if :: IN(fl[b],c) -> fl[b]=fl[b]&~(1<<c); dky[b]=dky[b]|OPM(c); dtx[b]=dtx[b]|(1<<c); MARK(b,OPM(c),(ALLB&~vF[iv[b]])) :: else fi;
  if :: own[BK(b,0)]==c+1 -> own[BK(b,0)]=0 :: else fi; if :: own[BK(b,1)]==c+1 -> own[BK(b,1)]=0 :: else fi }
#ifndef NO_R_MANYYIELD
#define MANY(c) (OPM(c)==3)
#else
#define MANY(c) 0
#endif
proctype Pair(byte c; byte b) {
end: do
  /* client side */
  :: d_step { !dead[c] && pc[c]==1 && hold[c]==OPM(c) && !rqt[SL(c,b)] && RCH(c,b) && IN(MEMB(cv[c]),b) && iv[b]==cv[c] && !ANS(c,b) && !cfl[SL(c,b)] && MAYSEND(c,b) -> rqt[SL(c,b)]=1; rqv[SL(c,b)]=cv[c] }
  :: d_step { !dead[c] && RCH(c,b) && rg[b]>cv[c] -> TOVIEW(c,rg[b]) }
  :: d_step { !dead[c] && RCH(c,b) && iv[b]<cv[c] -> rg[b]=(rg[b]>cv[c] -> rg[b] : cv[c]); INSTALL(b,cv[c]) }
  /* commit */
  :: d_step { !dead[c] && IN(cm[c],b) && !rqt[SL(c,b)] && RCH(c,b) -> cm[c]=cm[c]&~(1<<b);
       if :: RCH(c,b) -> fl[b]=fl[b]&~(1<<c); hold[c]=0;
               if :: own[BK(b,0)]==c+1 -> own[BK(b,0)]=0 :: else fi; if :: own[BK(b,1)]==c+1 -> own[BK(b,1)]=0 :: else fi;
               if :: iv[b]==av[c] && vJ[iv[b]] && !jok[c] -> MARK(b,OPM(c),vJ[iv[b]]) :: else fi
          :: else fi; CHECK() }
  /* seal for promotion */
  :: d_step { !dead[c] && nv==cv[c] && nv<MAXV && vJ[nv] && IN(MEMB(nv),b) && !IN(pr[c],b) && RCH(c,b) && iv[b]==cv[c] && !fl[b] && !dky[b] && (!IN(vF[nv],b) || !(dty[b]&DBITS(3,vJ[nv]))) -> seal[b]=1; pr[c]=pr[c]|(1<<b) }
  /* conflict: the owner settles b from the home (two keys: from home(first key), once it has executed there) */
  :: d_step { cfl[SL(c,b)] && !dead[c] && pc[c]==1 && (!RCH(c,b) || !CKEYS(c,b) || !OWNH(c,0) || !OWNH(c,1)) -> cfl[SL(c,b)]=0; if :: !OWNH(c,0) || !OWNH(c,1) -> hold[c]=0 :: else fi }
  :: d_step { cfl[SL(c,b)] && !dead[c] && pc[c]==1 && RCH(c,b) && iv[b]==cv[c] && CKEYS(c,b) && OWNH(c,0) && OWNH(c,1) && !seal[b] && spc<3 && EXTRA(c,b) && !MANY(c) -> cfl[SL(c,b)]=0; sreg[b]=0;
#ifndef NO_R_UNIT
       h=FH(c); q=OPM(c);
       if :: b!=h && IN(known[h],c) -> IMPOSE(b,q,ch[BK(h,0)],ch[BK(h,1)],known[h],known[h])
          :: else -> /* b is home(first key) itself: the other key from its home */
#else
       if :: CKEYS(c,b)==1 -> h=HOME(cv[c],0); IMPOSE(b,1,ch[BK(h,0)],0,known[h],0)
          :: else ->
#endif
             h=HOME(cv[c],(CKEYS(c,b)&2 -> 1 : 0)); q=CKEYS(c,b); IMPOSE(b,q,ch[BK(h,0)],ch[BK(h,1)],known[h],known[h]) fi;
       CLEARD(b,s); s=0; h=0; q=0; if :: IN(known[b],c) -> fl[b]=fl[b]|(1<<c) :: else fi; CHECK() }
  :: d_step { cfl[SL(c,b)] && !dead[c] && pc[c]==1 && RCH(c,b) && iv[b]==cv[c] && CKEYS(c,b) && MANY(c) && !seal[b] -> cfl[SL(c,b)]=0; dky[b]=dky[b]|3; dtx[b]=dtx[b]|(1<<c);
       MARK(b,3,(ALLB&~vF[iv[b]])); ENDSESS(c,b); hold[c]=0; VOIDANS(c); CHECK() }
#ifndef NO_R_YIELD
  :: d_step { !dead[c] && pc[c]==1 && RCH(c,b) && iv[b]==cv[c] && !rqt[SL(c,b)] && OWNDOUBT(c) && (IN(fl[b],c) || own[BK(b,0)]==c+1 || own[BK(b,1)]==c+1) -> ENDSESS(c,b); hold[c]=0; VOIDANS(c); cfl[SL(c,b)]=0; CHECK() }
  :: d_step { !dead[c] && pc[c]==1 && (rqt[SL(c,b)] || cfl[SL(c,b)]) && HDOUBT(c,b) && RCH(c,b) -> DONE(c,b); cfl[SL(c,b)]=0; hold[c]=0 }
#endif
#ifndef NO_R_RELEASE
  :: d_step { !dead[c] && pc[c]==1 && RCH(c,b) && !rqt[SL(c,b)] && ((own[BK(b,0)]==c+1 && !(hold[c]&1)) || (own[BK(b,1)]==c+1 && !(hold[c]&2))) ->
       if :: own[BK(b,0)]==c+1 && !(hold[c]&1) -> own[BK(b,0)]=0 :: else fi; if :: own[BK(b,1)]==c+1 && !(hold[c]&2) -> own[BK(b,1)]=0 :: else fi }
#endif
  /* brick side */
  :: d_step { MSG(c,b) && (rqv[SL(c,b)]!=iv[b] || !SERVES(b)) -> DONE(c,b) }
  :: d_step { MSG(c,b) && OKV(c,b) && OWNS(c,b) && HK(c,b) && rqt[SL(c,b)]==2 -> DONE(c,b) }
  :: d_step { MSG(c,b) && OKV(c,b) && !OWNS(c,b) -> if :: LISTENS(c,b) -> hold[c]=0 :: else fi; DONE(c,b) }     /* grant is gone */
  :: d_step { MSG(c,b) && OKV(c,b) && OWNS(c,b) && FRESHG(c,b) && IN(known[b],c) && !(dky[b]&OPM(c)) ->                        /* replay */
       fl[b]=fl[b]|(1<<c); sreg[b]=0; MARK(b,OPM(c),ABSENT(iv[b])); ANSWER(c,b); CHECK() }
  :: d_step { MSG(c,b) && OKV(c,b) && OWNS(c,b) && FRESHG(c,b) && !IN(known[b],c) && !BLK(c,b) ->                              /* execute */
       if :: M0==3 || NK==1 || OPM(c)==3 -> assert(!(OPM(c)&1) || !HAST(ch[BK(b,0)],c+1)) /* I4 */; assert(!(OPM(c)&2) || !HAST(ch[BK(b,1)],c+1)) /* I4 */ :: else fi;
       if :: OPM(c)&1 -> ch[BK(b,0)]=(ch[BK(b,0)]<<2)|(c+1) :: else fi;
       if :: OPM(c)&2 -> ch[BK(b,1)]=(ch[BK(b,1)]<<2)|(c+1) :: else fi;
       fl[b]=fl[b]|(1<<c); known[b]=known[b]|(1<<c); sreg[b]=0; if :: vJ[iv[b]] -> rmk[b]=1 :: else fi; MARK(b,OPM(c),ABSENT(iv[b])); ANSWER(c,b); CHECK() }
  :: d_step { MSG(c,b) && OKV(c,b) && OWNS(c,b) && ((!IN(known[b],c) && CKEYS(c,b)) || (IN(known[b],c) && !IN(dtx[b],c) && (dky[b]&OPM(c)&~HM(iv[b],b)))) -> if :: LISTENS(c,b) -> cfl[SL(c,b)]=1 :: else fi; DONE(c,b) }   /* conflict */
  /* the session of c ends at b */
  :: d_step { up[b] && (dead[c] || !link[SL(c,b)]) && (rqt[SL(c,b)] || IN(fl[b],c) || own[BK(b,0)]==c+1 || own[BK(b,1)]==c+1) -> DONE(c,b); ENDSESS(c,b); CHECK() }
  od
}
#if NB==3
#define ANYM(x) ((IN(MEMB(nv),0) && (x(0))) || (IN(MEMB(nv),1) && (x(1))) || (IN(MEMB(nv),2) && (x(2))))
#define ALLM(x) ((!IN(MEMB(syv),0) || (x(0))) && (!IN(MEMB(syv),1) || (x(1))) && (!IN(MEMB(syv),2) || (x(2))))
#else
#define ANYM(x) ((IN(MEMB(nv),0) && (x(0))) || (IN(MEMB(nv),1) && (x(1))))
#define ALLM(x) ((!IN(MEMB(syv),0) || (x(0))) && (!IN(MEMB(syv),1) || (x(1))))
#endif
#define DK0(b) ((dky[b]&1) || (IN(vF[nv],b) && (dty[b]&DBITS(1,vJ[nv]))))
#define DK1(b) ((dky[b]&2) || (IN(vF[nv],b) && (dty[b]&DBITS(2,vJ[nv]))))
#define DT2(b) ((M0==3 && IN(dtx[b],0)) || (M1==3 && IN(dtx[b],1)))        /* a doubt of two keys */
#define READY(b) (up[b] && iv[b]==syv)
#define SFREE(k) (up[HOME(syv,k)] && iv[HOME(syv,k)]==syv && own[BK(HOME(syv,k),k)]==0 && !IN(EK(fl[HOME(syv,k)]),k))
#define LACK(h,c) (OPM(c)==3 && IN(x,c) && !IN(known[h],c))
inline SRESET() { if :: (sown&1) && own[BK(HOME(syv,0),0)]==3 -> own[BK(HOME(syv,0),0)]=0 :: else fi;
  if :: (sown&2) && own[BK(HOME(syv,1),1)]==3 -> own[BK(HOME(syv,1),1)]=0 :: else fi;
  sreg[0]=0; sreg[1]=0; sreg[NB-1]=0; spc=0; syv=0; sS=0; sown=0; sdone=0; ss0=0; ss1=0; sv0=0; sv1=0; skn0=0; skn1=0; shalf=0 }
#ifndef NO_R_UNIT
#define UNITOF(m) (ANYM(DT2) -> 3 : (m))
#else
#define UNITOF(m) (m)
#endif
#define TGT(b) (IN(MEMB(syv),b) && !IN(sdone,b))
inline OPENB(b) { if :: IN(MEMB(syv),b) -> sreg[b]=1;
#ifndef NO_R_SPREAD
     dky[b]=dky[b]|(sS&~HM(syv,b))
#endif
     :: else fi }
inline IMPB(b) {   /* sources of all of S are left alone */
  if :: (!(sS&1) || ss0==b) && (!(sS&2) || ss1==b) -> sdone=sdone|(1<<b)
     :: else -> if :: !sreg[b] -> spc=7
#ifdef NO_R_UNITIMP
                   :: sreg[b] && sS==3 && !shalf -> IMPOSE(b,1,sv0,sv1,skn0,skn1); shalf=1; s=0
                   :: sreg[b] && (sS!=3 || shalf) -> if :: shalf -> IMPOSE(b,2,sv0,sv1,skn0,skn1) :: else -> IMPOSE(b,sS,sv0,sv1,skn0,skn1) fi; shalf=0;
#else
                   :: else -> IMPOSE(b,sS,sv0,sv1,skn0,skn1);
#endif
                        sdone=sdone|(1<<b);
#ifdef NO_R_SPREAD
                        CLEARD(b,(s&~HM(syv,b)));
#endif
                        s=0 fi fi; CHECK() }
inline CLR1(b) { if :: IN(MEMB(syv),b) -> CLEARD(b,(sS&~HM(syv,b))) :: else fi }
#ifndef NO_R_CLEAROWN
#define STOPEN(b) (!IN(MEMB(syv),b) || !(sS&~HM(syv,b)) || sreg[b])     /* a target is still open for this settler */
#define OWNSTILL ((!(sown&1) || own[BK(HOME(syv,0),0)]==3) && (!(sown&2) || own[BK(HOME(syv,1),1)]==3))
#define CLRKEYS(b) (sS&HM(syv,b))
#else
#define STOPEN(b) 1
#define OWNSTILL 1
#define CLRKEYS(b) sS
#endif
inline CLR2(b) { if :: IN(MEMB(syv),b) -> CLEARD(b,CLRKEYS(b)); if :: IN(vF[syv],b) && !rmk[b] -> dty[b]=dty[b]&~DBITS(sS,vJ[syv]) :: else fi :: else fi }
proctype Syncer() {
end: do
  :: d_step { spc==0 && ANYM(DK0) -> spc=1; syv=nv; sS=UNITOF(1); rmk[0]=0; rmk[1]=0; rmk[NB-1]=0 }
#if NK==2
  :: d_step { spc==0 && ANYM(DK1) -> spc=1; syv=nv; sS=UNITOF(2); rmk[0]=0; rmk[1]=0; rmk[NB-1]=0 }
#endif
  :: d_step { spc==1 && (sS&1) && !(sown&1) && SFREE(0) -> own[BK(HOME(syv,0),0)]=3; sown=sown|1 }
  :: d_step { spc==1 && (sS&2) && !(sown&2) && (!(sS&1) || (sown&1)) && SFREE(1) -> own[BK(HOME(syv,1),1)]=3; sown=sown|2 }
  :: d_step { spc==1 && sown==sS && ALLM(READY) -> OPENB(0); OPENB(1);
#if NB==3
       OPENB(2);
#endif
       spc=3 }
#ifndef NO_R_READOWN
#define STILL ((!(sown&1) || own[BK(HOME(syv,0),0)]==3) && (!(sown&2) || own[BK(HOME(syv,1),1)]==3))
  :: d_step { spc==3 && ALLM(READY) && !STILL -> spc=7 }
#else
#define STILL 1
#endif
#if !defined(NO_R_UNITLATE) && !defined(NO_R_UNIT)
  :: d_step { spc==3 && sS!=3 && ANYM(DT2) -> spc=7 }
#define UNITOK (sS==3 || !ANYM(DT2))
#else
#define UNITOK 1
#endif
  :: d_step { spc==3 && ALLM(READY) && STILL && UNITOK -> /* read the source(s) */
       ss0=HOME(syv,0); ss1=HOME(syv,1); if :: sS==1 -> ss1=ss0 :: sS==2 -> ss0=ss1 :: else fi;
#ifndef NO_R_ONESRC
       x=dtx[0]*IN(MEMB(syv),0)|dtx[1]*IN(MEMB(syv),1)|dtx[NB-1]*IN(MEMB(syv),NB-1);
       if :: sS==3 && (LACK(ss0,0) || LACK(ss0,1)) -> ss1=ss0 :: sS==3 && !(LACK(ss0,0) || LACK(ss0,1)) && (LACK(ss1,0) || LACK(ss1,1)) -> ss0=ss1 :: else fi; x=0;
#endif
       sv0=ch[BK(ss0,0)]; sv1=ch[BK(ss1,1)]; skn0=known[ss0]; skn1=known[ss1]; spc=4 }
  :: d_step { spc==4 && TGT(0) && READY(0) && (!shalf || !TGT(1)|| sS) -> IMPB(0) }
  :: d_step { spc==4 && TGT(1) && READY(1) && !(shalf && TGT(0)) -> IMPB(1) }
#if NB==3
  :: d_step { spc==4 && TGT(2) && READY(2) && !shalf -> IMPB(2) }
#endif
  :: d_step { spc==4 && sdone==MEMB(syv) && ALLM(READY) -> /* all have it: clear the targets' doubts */
       if :: STOPEN(0) && STOPEN(1) && STOPEN(NB-1) -> CLR1(0); CLR1(1);
#if NB==3
       CLR1(2);
#endif
       spc=5 :: else -> spc=7 fi; CHECK() }
  :: d_step { spc==5 && ALLM(READY) -> /* the home's, and the marks */
       if :: OWNSTILL -> CLR2(0); CLR2(1);
#if NB==3
       CLR2(2);
#endif
       SRESET() :: else -> spc=7 fi; CHECK() }
  :: d_step { spc && (syv!=nv || spc==7) -> SRESET() }
#ifdef F_SYNC
  :: d_step { spc && nf<MAXF -> nf++; SRESET() }
#endif
  od
}
inline CRASH(b) { nf++; up[b]=0; rqt[SL(0,b)]=0; rqt[SL(1,b)]=0; rqv[SL(0,b)]=0; rqv[SL(1,b)]=0; own[BK(b,0)]=0; own[BK(b,1)]=0; sreg[b]=0 }
inline CUT(l) { nf++; link[l]=0 }
#define SERVED(c) (dead[c] || (pc[c]==2 && !cm[c]))
proctype Env() {
end: do
#ifdef F_PC
  :: d_step { nf<MAXF && up[0] -> CRASH(0) } :: d_step { nf<MAXF && up[1] -> CRASH(1) }
  :: d_step { !up[0] -> up[0]=1 } :: d_step { !up[1] -> up[1]=1 }
#if NB==3
  :: d_step { nf<MAXF && up[2] -> CRASH(2) } :: d_step { !up[2] -> up[2]=1 }
#endif
#endif
#ifdef F_LINK
  :: d_step { nf<MAXF && link[0] -> CUT(0) } :: d_step { nf<MAXF && link[1] -> CUT(1) } :: d_step { nf<MAXF && link[2] -> CUT(2) } :: d_step { nf<MAXF && link[3] -> CUT(3) }
  :: d_step { !link[0] -> link[0]=1 } :: d_step { !link[1] -> link[1]=1 } :: d_step { !link[2] -> link[2]=1 } :: d_step { !link[3] -> link[3]=1 }
#if NB==3
  :: d_step { nf<MAXF && link[4] -> CUT(4) } :: d_step { nf<MAXF && link[5] -> CUT(5) } :: d_step { !link[4] -> link[4]=1 } :: d_step { !link[5] -> link[5]=1 }
#endif
#endif
  /* nothing moves any more: every live client must have been served and nothing be left in doubt */
  :: timeout -> assert((dead[0] && dead[1]) || (SERVED(0) && SERVED(1))) /* DEADLOCK */;
     assert((dead[0] && dead[1]) || spc==0) /* STUCK settle */; break
  od
}
init { d_step { vF[0]=INITF;
#ifdef ONE
  pc[1]=2;      /* client 1 does not write, it only drives views */
#endif
  i=0; do :: i<2*NB -> link[i]=1; i++ :: else -> break od; i=0; do :: i<NB -> up[i]=1; i++ :: else -> break od; i=0 }
  atomic { run Client(0); run Client(1); run Pair(0,0); run Pair(0,1); run Pair(1,0); run Pair(1,1);
#if NB==3
  run Pair(0,2); run Pair(1,2);
#endif
  run Syncer(); run Env() } }
